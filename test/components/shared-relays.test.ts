/**
 * What a stack gets of another one's relays, with the reference answered as Pulumi's engine would. That the other stack
 * exports what is read here: test/stacks/examples.test.ts.
 */
import assert from "node:assert/strict";
import * as pulumi from "@pulumi/pulumi";
import { type SharedRelaysArgs, sharedEndpoints } from "../../components/shared-relays";
import { type Deployed, deploy, type OtherStack, plainOccurrences } from "../support/deploy";

const REFERENCE = "pulumi:pulumi:StackReference";
const KEY = (id: string) => `sEntiNel0${id.replace(/[^a-z0-9]/g, "")}`;
const keys = (...ids: string[]) => Object.fromEntries(ids.map((id) => [id, KEY(id)]));

const NGINX = { name: "nginx", hostname: "vm.example.com", ca: "the CA" };
const WORKER = { name: "worker", hostname: "hub.example.com" };
const FRANKFURT = { name: "nginx", hostname: "vm2.example.com" };

function stack(relays: unknown, relayKeys: unknown): OtherStack {
    return { outputs: { relays, relayKeys, mirrorUrl: null }, secretOutputs: { relayKeys: true } };
}

const STACKS: Record<string, OtherStack> = {
    "acme-tokyo": stack([NGINX, WORKER], keys("shanghai.1", "shanghai.2", "chengdu.1")),
    "acme-frankfurt": stack([FRANKFURT], keys("acme.9", "acme.10")),
    "organization/relays/tokyo": stack([NGINX], keys("acme.1")),
    empty: { outputs: {}, secretOutputs: {} },
    "an-office": stack([], {}),
    sealed: stack([NGINX], { "acme.1": {} }),
    unlike: stack([{ name: "nginx", hostname: "../etc" }], keys("acme.1")),
};

type Relays = SharedRelaysArgs["relays"];
type Found = Deployed & { readonly secret: boolean };

async function make(relays: Relays, preview = false): Promise<Found> {
    let secret = false;
    const deployed = await deploy(
        async () => {
            const endpoints = pulumi
                .output([...sharedEndpoints("relays", { relays, relayKey: pulumi.secret(KEY("literal")) })])
                .apply((lists) => lists.flat());
            secret = await pulumi.isSecret(endpoints);
            return { endpoints };
        },
        { stacks: STACKS, preview },
    );
    return { ...deployed, secret };
}

const endpoints = async (...relays: Relays) => (await make(relays)).outputs.endpoints;
const names = async (...relays: Relays): Promise<string[]> =>
    (await endpoints(...relays)).map(({ name }: { name: string }) => name);

const TOKYO = { stack: "acme-tokyo", key: "shanghai" };

describe("SharedRelays", () => {
    it("has all relays of a stack in its order, under names of that stack, with the newest key of the name", async () => {
        assert.deepEqual(await endpoints(TOKYO), [
            { ...NGINX, name: "acme-tokyo-nginx", key: KEY("shanghai.2") },
            { ...WORKER, name: "acme-tokyo-worker", ca: undefined, key: KEY("shanghai.2") },
        ]);
    });

    it("counts generations as numbers", async () => {
        const [relay] = await endpoints({ stack: "acme-frankfurt" });
        assert.equal(relay.key, KEY("acme.10"));
    });

    it("has the one relay that is named, and several stacks in whatever order", async () => {
        const order: Relays = [
            { ...TOKYO, relay: "worker" },
            { stack: "acme-frankfurt" },
            { name: "other", hostname: "mirror.example.org", address: "198.51.100.9" },
            { ...TOKYO, relay: "nginx" },
        ];
        const expected = ["acme-tokyo-worker", "acme-frankfurt-nginx", "other", "acme-tokyo-nginx"];
        assert.deepEqual(await names(...order), expected);
        assert.deepEqual((await endpoints(...order))[2], {
            name: "other",
            hostname: "mirror.example.org",
            address: "198.51.100.9",
            key: KEY("literal"),
        });
    });

    it("reads each stack once, under itself", async () => {
        const { resources } = await make([
            { ...TOKYO, relay: "worker" },
            { stack: "acme-frankfurt" },
            { ...TOKYO, relay: "nginx" },
        ]);
        const references = resources.filter(({ type }) => type === REFERENCE);
        assert.deepEqual(
            references.map(({ inputs }) => inputs.name),
            ["acme-tokyo", "acme-frankfurt"],
        );
        for (const { parent } of references) assert.match(parent, /dockermirror:index:SharedRelays::relays$/);
    });

    it("is nothing where there are no relays of others", async () => {
        const { resources, outputs } = await make([]);
        assert.deepEqual([resources, outputs.endpoints], [[], []]);
    });

    it("keeps the keys secret", async () => {
        const found = await make([TOKYO]);
        assert.equal(found.secret, true);
        for (const { inputs } of found.resources) assert.deepEqual(plainOccurrences(inputs, "sEntiNel"), []);
    });

    it("takes a stack in full, and makes short names of long ones", async () => {
        assert.deepEqual(await names({ stack: "organization/relays/tokyo" }), ["tokyo-nginx"]);
        const long = "Acme_asia-pacific.northeast-production";
        STACKS[long] = stack([NGINX, WORKER], keys("acme.1"));
        const [first = "", second = ""] = await names({ stack: long });
        for (const name of [first, second]) assert.match(name, /^[a-z0-9][a-z0-9-]{0,31}$/);
        assert.match(first, /-production-nginx$/);
        assert.match(second, /-production-worker$/);
    });

    const refused: Record<string, [Relays, RegExp]> = {
        "a relay that the stack has not": [
            [{ ...TOKYO, relay: "ngnix" }],
            /^dockermirror:relays\[0\]\.relay {2}must be a relay of acme-tokyo \(nginx, worker\), got "ngnix"$/,
        ],
        "a key that the stack has not": [
            [{ stack: "acme-frankfurt" }, { ...TOKYO, key: "berlin" }],
            /^dockermirror:relays\[1\]\.key {2}must be a key of acme-tokyo \(chengdu, shanghai\), got "berlin": add it to dockermirror:keys of acme-tokyo, and run up there first$/,
        ],
        "no word on the key of a stack that has several": [
            [{ stack: "acme-tokyo" }],
            /^dockermirror:relays\[0\]\.key {2}must be said, because acme-tokyo has more than one: chengdu, shanghai$/,
        ],
        "a stack that is not up yet": [
            [{ stack: "empty" }],
            /^dockermirror:relays\[0\]\.stack {2}empty has no relays among its outputs: run up there first \(pulumi up --stack empty\), or/,
        ],
        "a stack without relays of its own": [
            [{ stack: "an-office" }],
            /^dockermirror:relays\[0\]\.stack {2}an-office has no relays among its outputs/,
        ],
        "a stack that has something else for relays": [[{ stack: "unlike" }], /unlike has no relays among its outputs/],
        "keys that cannot be decrypted here": [
            [{ stack: "sealed" }],
            /^dockermirror:relays\[0\]\.stack {2}the keys of sealed cannot be read: this stack needs the passphrase/,
        ],
        "two relays of one name": [
            [TOKYO, { name: "acme-tokyo-nginx", hostname: "other.example.com" }],
            /^dockermirror:relays {2}must have names that differ in logs and metrics, got "acme-tokyo-nginx" twice/,
        ],
    };
    for (const [what, [relays, expected]] of Object.entries(refused)) {
        it(`refuses ${what}`, async () => {
            await assert.rejects(make(relays), (error: Error) => {
                assert.ok(pulumi.RunError.isInstance(error), String(error));
                assert.match(error.message, expected);
                assert.doesNotMatch(error.message, /sEntiNel/);
                return true;
            });
        });
    }

    for (const what of ["a key that the stack has not", "a stack that is not up yet"]) {
        it(`lets a preview go on with ${what}: the change may be to both stacks`, async () => {
            const { outputs } = await make(refused[what]![0], true);
            // Of what is unknown in a preview nothing is known.
            assert.equal(outputs, undefined);
        });
    }

    it("knows the relays in a preview, too", async () => {
        const { outputs } = await make([TOKYO], true);
        assert.equal(outputs.endpoints.length, 2);
    });

    it("leaves a stack that does not exist to Pulumi", async () => {
        await assert.rejects(make([{ stack: "nowhere" }]), /unknown stack "nowhere"/);
    });
});
