import assert from "node:assert/strict";
import { readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { stringify } from "yaml";
import type * as stackFile from "../../rehearsal/stack-file";
import type * as stacks from "../../rehearsal/stacks";
import { PROJECT } from "../support/deploy";
import { projectCopy } from "../support/project-copy";

const EDGE = { accountId: "0123456789abcdef0123456789abcdef", hostname: "hub.example.com" };
const TOKYO = { kind: "lightsail", hostname: "tokyo.example.com" };
const FRANKFURT = { kind: "ec2", hostname: "frankfurt.example.com" };
const ONPREM = { docker: "ssh://ops@10.1.0.5", hostname: "mirror.acme.lan" };
const KEYS = [{ name: "shanghai" }, { name: "chengdu" }];
const SECURE = { secure: "v1:AAAA:BBBB" };
const OFFER = {
    hostname: "tokyo.example.com",
    address: "10.213.64.129",
    ca: "PEM",
    keys: { "acme.1": "old", "acme.2": "new", "globex.7": "another's" },
};

describe("The stacks of a rehearsal", () => {
    let project: string;
    let rehearsal: typeof stacks;
    let file: typeof stackFile;
    let leftOut: string[];

    // The modules read the folder beside their own: in a copy of the project there are the stacks of the test.
    before(() => {
        project = projectCopy({ stacks: false });
        file = require(join(project, "rehearsal/stack-file"));
        rehearsal = require(join(project, "rehearsal/stacks"));
    });
    beforeEach(() => {
        for (const name of readdirSync(join(project, "stacks"))) rmSync(join(project, "stacks", name));
        leftOut = [];
        stack("acme-tokyo", { zone: "example.com", edge: EDGE, overseas: TOKYO, keys: KEYS });
        stack("acme-frankfurt", { zone: "example.com", overseas: FRANKFURT, keys: KEYS });
        stack("acme-shanghai", { onprem: ONPREM, relays: [{ stack: "acme-tokyo" }, { stack: "acme-frankfurt" }] });
    });
    after(() => rmSync(project, { recursive: true, force: true }));

    function stack(name: string, config: Record<string, unknown>): void {
        const entries = Object.entries(config).map(([key, value]) => [`${PROJECT}:${key}`, value]);
        writeFileSync(join(project, `stacks/Pulumi.${name}.yaml`), stringify({ config: Object.fromEntries(entries) }));
    }

    const read = (name: string) => rehearsal.readStacks(name, {}, (what) => leftOut.push(what));
    const otherNames = (name: string) => read(name).others.map((other) => other.name);
    const keysOf = ({ config }: stackFile.StackConfig) => Object.keys(config).map((key) => key.split(":")[1]);

    it("are one stack where it takes no relays from others", () => {
        const { asked, others } = read("acme-tokyo");
        assert.deepEqual(asked, { name: "acme-tokyo", stackConfig: file.readStack("acme-tokyo", {}) });
        assert.deepEqual(others, []);
    });

    it("are those that it refers to and then itself, each once, in its order", () => {
        const relays = [
            { stack: "acme-frankfurt" },
            { stack: "acme-tokyo", relay: "nginx" },
            { stack: "organization/dockermirror/acme-frankfurt", relay: "worker" },
        ];
        stack("acme-berlin", { onprem: ONPREM, relays });
        assert.deepEqual(otherNames("acme-shanghai"), ["acme-tokyo", "acme-frankfurt"]);
        assert.deepEqual(otherNames("acme-berlin"), ["acme-frankfurt", "acme-tokyo"]);
        assert.equal(read("acme-berlin").asked.name, "acme-berlin");
    });

    it("do not end with the broken file of a stack that none of them names", () => {
        writeFileSync(join(project, "stacks/Pulumi.globex.yaml"), "config: [");
        const relays = [{ name: "tokyo", hostname: TOKYO.hostname }];
        stack("acme-berlin", { onprem: ONPREM, relays, relayKey: SECURE });
        assert.deepEqual(otherNames("acme-berlin"), ["acme-tokyo"]);
        assert.match(
            leftOut[0] ?? "",
            /^the stack globex, whose file .* tokyo\.example\.com: stacks\/Pulumi\.globex\.yaml/,
        );
    });

    it("need one new file for a new office, and no other change", () => {
        const before = read("acme-shanghai");
        stack("acme-chengdu", { onprem: ONPREM, relays: [{ stack: "acme-tokyo", key: "chengdu" }] });
        const { asked, others } = read("acme-chengdu");
        assert.deepEqual(asked.stackConfig, file.readStack("acme-chengdu", {}));
        assert.deepEqual(others, [before.others[0]]);
        assert.deepEqual(read("acme-shanghai"), before);
    });

    it("are rehearsed without what others have at home, and that is told", () => {
        stack("acme-osaka", {
            overseas: TOKYO,
            onprem: ONPREM,
            onpremCertificateKey: SECURE,
            relays: [{ stack: "acme-frankfurt" }],
            keys: KEYS,
        });
        stack("acme-kyoto", { onprem: ONPREM, relays: [{ stack: "acme-osaka" }] });
        const [osaka, ...others] = read("acme-kyoto").others;
        assert.deepEqual(keysOf(osaka!.stackConfig), ["overseas", "keys"]);
        assert.deepEqual(others, []);
        assert.deepEqual(leftOut, ["onprem of acme-osaka"]);
    });

    it("cannot refer to each other in a circle", () => {
        stack("a", { overseas: TOKYO, onprem: ONPREM, relays: [{ stack: "b" }] });
        stack("b", { overseas: FRANKFURT, onprem: ONPREM, relays: [{ stack: "a" }] });
        stack("office", { onprem: ONPREM, relays: [{ stack: "a" }] });
        const refusal = "stacks that take relays from each other cannot be brought up: a → b → a";
        for (const name of ["a", "office"]) assert.throws(() => read(name), new Error(refusal));
        stack("self", { overseas: TOKYO, onprem: ONPREM, relays: [{ stack: "self" }] });
        assert.throws(() => read("self"), /cannot be brought up: self → self$/);
    });

    it("must be there: else it is told who refers to it, and which there are", () => {
        stack("acme-beijing", { onprem: ONPREM, relays: [{ stack: "acme-tokio" }] });
        assert.throws(
            () => read("acme-beijing"),
            /^Error: the relays of acme-beijing: there is no stack "acme-tokio" in stacks\/; did you mean "acme-tokyo"\?; there are .*acme-tokyo/,
        );
        assert.throws(() => read("acme-nowhere"), /^Error: there is no stack "acme-nowhere" in stacks\/; there are/);
    });

    it("must have relays to offer", () => {
        stack("acme-beijing", { onprem: ONPREM, relays: [{ stack: "acme-shanghai" }] });
        assert.throws(
            () => read("acme-beijing"),
            new Error(
                "the stack acme-beijing takes relays from acme-shanghai, which has none: name a stack that has edge or overseas",
            ),
        );
    });

    describe("with relays that are known by host name", () => {
        const machine = { name: "machine", hostname: "tokyo.example.com" };
        const worker = { name: "worker", hostname: "hub.example.com" };
        const stranger = { name: "far", hostname: "vm.far.example" };
        const customer = (relays: unknown[]) => stack("customer", { onprem: ONPREM, relays, relayKey: SECURE });

        it("are found by these names", () => {
            customer([worker, machine]);
            assert.deepEqual(otherNames("customer"), ["acme-tokyo"]);
        });

        it("take the certificate authority, the address where one is pinned, and the key of who makes them", () => {
            customer([{ ...machine, address: "198.51.100.7", ca: "the real one" }, worker]);
            const changed: string[] = [];
            const offers = [OFFER, { ...OFFER, hostname: "hub.example.com", address: "10.213.64.3", ca: undefined }];
            const { config, secretKeys } = rehearsal.withOffers(read("customer").asked.stackConfig, offers, (what) =>
                changed.push(what),
            );
            assert.deepEqual(JSON.parse(config[`${PROJECT}:relays`] ?? ""), [
                { ...machine, address: "10.213.64.129", ca: "PEM" },
                worker,
            ]);
            assert.equal(config[`${PROJECT}:relayKey`], "new");
            assert.deepEqual(secretKeys, [`${PROJECT}:relayKey`]);
            assert.deepEqual(changed, ["relays[0].address", "relays[0].ca", "relayKey"]);
        });

        it("leave references as they are", () => {
            const { stackConfig } = read("acme-shanghai").asked;
            assert.deepEqual(
                rehearsal.withOffers(stackConfig, [OFFER], () => assert.fail("nothing changes")),
                stackConfig,
            );
        });

        it("are left out when no stack makes them, and that is told", () => {
            customer([stranger, machine]);
            const { asked } = read("customer");
            assert.deepEqual(file.stackNames(asked.stackConfig).relays, [machine]);
            assert.deepEqual(leftOut, ["the relay vm.far.example of customer, which no stack in stacks/ makes"]);
        });

        it("lose their key with the last of them", () => {
            stack("customer", { onprem: ONPREM, relays: [stranger, { stack: "acme-tokyo" }], relayKey: SECURE });
            assert.deepEqual(keysOf(read("customer").asked.stackConfig), ["onprem", "relays"]);
            stack("customer", { overseas: TOKYO, onprem: ONPREM, relays: [stranger], relayKey: SECURE });
            assert.deepEqual(file.stackNames(read("customer").asked.stackConfig).relays, []);
        });

        it("must be there, when there is no other", () => {
            customer([stranger]);
            assert.throws(
                () => read("customer"),
                /^Error: no stack in stacks\/ makes the relays of customer \(vm\.far\.ex/,
            );
        });

        it("must have a host name of their own", () => {
            stack("other-tokyo", { overseas: TOKYO });
            customer([machine]);
            assert.throws(
                () => read("customer"),
                /tokyo\.example\.com of customer is in more than one stack \(acme-tokyo and other-tokyo\)/,
            );
        });
    });

    it("tells whether one refers to another", () => {
        const { stackConfig } = read("acme-shanghai").asked;
        assert.equal(rehearsal.refersTo(stackConfig, "acme-tokyo"), true);
        assert.equal(rehearsal.refersTo(stackConfig, "acme-osaka"), false);
    });

    it("gives away the current key of the first name", () => {
        assert.equal(rehearsal.newestKey(OFFER.keys), "new");
        assert.equal(rehearsal.newestKey({}), "");
    });
});
