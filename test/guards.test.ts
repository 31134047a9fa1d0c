/**
 * What holds for whatever the program makes, by Pulumi's own engine over providers that make nothing: every stack of
 * stacks/ previewed, and those made that differ in kind. It does not show that what is made works, which the rehearsal does.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { makeCa } from "../rehearsal/pki";
import { allStacks, changed, readStack, type StackConfig } from "../rehearsal/stack-file";
import { SECRETS } from "../stacks/schema";
import { isSecret, plainOccurrences } from "./support/deploy";
import { imaginaryProviders } from "./support/imaginary";
import { opened, summary, TestPulumi } from "./support/pulumi";

const MODULE = join(__dirname, "support", "whole-program.ts");
const SENTINEL = "sEntiNel";

const CONTAINER = "docker:index/container:Container";
const DOMAIN = "cloudflare:index/workersCustomDomain:WorkersCustomDomain";
const EC2_INSTANCE = "aws:ec2/instance:Instance";
const IMAGE = "docker:index/remoteImage:RemoteImage";
const LIGHTSAIL_INSTANCE = "aws:lightsail/instance:Instance";
const LIGHTSAIL_PORTS = "aws:lightsail/instancePublicPorts:InstancePublicPorts";
const LOCAL = "command:local:Command";
const NETWORK = "docker:index/network:Network";
const PASSWORD = "random:index/randomPassword:RandomPassword";
const PRIVATE_KEY = "tls:index/privateKey:PrivateKey";
const RECORD = "cloudflare:index/dnsRecord:DnsRecord";
const REMOTE = "command:remote:Command";
const SCRIPT = "cloudflare:index/workersScript:WorkersScript";
const SECURITY_GROUP = "aws:ec2/securityGroup:SecurityGroup";
const STACK = "pulumi:pulumi:Stack";
const SUBDOMAIN = "cloudflare:index/workersScriptSubdomain:WorkersScriptSubdomain";
const VOLUME = "docker:index/volume:Volume";

/** A resource in the state of a stack. */
interface Resource {
    readonly urn: string;
    readonly type: string;
    readonly name: string;
    readonly stack: string;
    readonly custom: boolean;
    readonly parent: string;
    readonly dependencies: readonly string[];
    readonly propertyDependencies: Readonly<Record<string, readonly string[] | null>>;
    /** With secrets as they are exported: `isSecret` and `opened`. */
    readonly inputs: Record<string, any>;
    readonly outputs: Record<string, any>;
}

/** Previewed by name; {@link MADE} is made of them. */
function allConfigs(): Map<string, StackConfig> {
    const others = allStacks().filter((name) => !MADE.includes(name));
    const configs = new Map([...MADE, ...others].map((name) => [name, readStack(name, SECRET_SETTINGS)]));
    const { config } = changed(readStack("local", {}), FURTHER);
    return configs.set(FURTHER_STACK, { config, secretKeys: secretKeysOf(config) });
}

/**
 * Relays on Lightsail, with the Worker; on EC2; an office that takes them, which are there by then; relay and office
 * without a zone; a relay for everybody. The others have the same in other numbers.
 */
const MADE = ["example-tokyo", "example-frankfurt", "example-shanghai", "example-one-vps", "example-public"];
const FURTHER_STACK = "local with further settings";
/** A sentinel in each secret that is a text. */
const SECRET_SETTINGS = Object.fromEntries(
    Object.keys(SECRETS)
        .filter((name) => !["relayKeys", "privateTokens"].includes(name))
        .map((name) => [name, sentinel(name)]),
);
/** What no example has. */
const FURTHER = {
    overseas: { acmeChallenge: "dns-01" },
    acmeDnsToken: sentinel("acmeDnsToken"),
    onprem: { certificate: makeCa("the user's own").cert, images: { from: "archive", archive: "/srv/images.tar" } },
    onpremCertificateKey: sentinel("onpremCertificateKey"),
    hub: { username: "acme" },
    hubToken: sentinel("hubToken"),
    privateAccounts: [{ upstream: "ghcr.io", username: "acme-bot", repositories: ["acme/*"] }],
    privateTokens: { "ghcr.io/acme-bot": sentinel("privateTokens") },
};

function sentinel(name: string): string {
    return `${SENTINEL}0${name}`.padEnd(48, "0");
}

function secretKeysOf(config: StackConfig["config"]): string[] {
    return Object.keys(config).filter((key) => config[key]?.includes(SENTINEL));
}

describe("Whatever the program makes", function () {
    this.timeout(600_000);
    const configs = allConfigs();
    const made = new Map<string, readonly Resource[]>();
    let pulumi: TestPulumi;
    before(async () => {
        pulumi = await TestPulumi.open(imaginaryProviders());
    });
    after(() => pulumi.close());

    for (const [stack, config] of configs) {
        const isMade = MADE.includes(stack) || stack === FURTHER_STACK;
        it(`can be previewed${isMade ? ", and made as it was shown" : ""}: ${stack}`, async () => {
            // A stack's name has no spaces.
            const name = stack.replaceAll(" ", "-");
            const operate = (kind: "preview" | "up") => pulumi.operate({ kind }, MODULE, undefined, name, config);
            const shown = summary((await operate("preview")).changes);
            assert.ok(shown.length > 5, shown.join("\n"));
            assert.deepEqual(
                shown.filter((step) => !step.startsWith("create ") && !step.startsWith("read ")),
                [],
            );
            if (!isMade) return;
            assert.deepEqual(summary((await operate("up")).changes).sort(), shown.sort());
            const { resources } = await pulumi.exported(name);
            made.set(
                stack,
                resources.map((resource) => fromState(resource, stack)),
            );
        });
    }

    /** Resources of these types in all stacks, of which there must be some. */
    function all(...types: readonly string[]): Resource[] {
        const found = [...made.values()].flat().filter(({ type }) => types.includes(type));
        assert.ok(found.length > 0, `no stack has a ${types.join(" or ")}`);
        return found;
    }

    const at = ({ stack, name }: Resource) => `${name} of ${stack}`;
    const byUrn = ({ stack }: Resource, urn: string) => made.get(stack)?.find((each) => each.urn === urn);

    /** All that `resource` can be reached from, in one step by `sources`. */
    function reached(resource: Resource, sources: (resource: Resource) => readonly string[]): Set<Resource> {
        const found = new Set<Resource>();
        const follow = (from: Resource) => {
            for (const urn of sources(from)) {
                const next = byUrn(from, urn);
                if (!next || found.has(next)) continue;
                found.add(next);
                follow(next);
            }
        };
        follow(resource);
        return found;
    }

    it("is under a component", () => {
        for (const resource of [...made.values()].flat()) {
            const { type, custom, parent } = resource;
            if (type === STACK || type.startsWith("pulumi:providers:") || type === "pulumi:pulumi:StackReference")
                continue;
            if (custom) assert.match(parent, /[$:]dockermirror:[a-z]+:[A-Za-z0-9]+::[^:]+$/, at(resource));
            else assert.match(type, /^dockermirror:[a-z]+:[A-Za-z0-9]+$/, at(resource));
        }
    });

    it("has the settings' secrets and made keys in secret envelopes only", () => {
        const keys = [
            ...all(PASSWORD).map(({ outputs }) => opened(outputs.result)),
            // Of the PEM its first line, which is the secret half's; the other form begins with the public one.
            ...all(PRIVATE_KEY).map(({ outputs }) => opened(outputs.privateKeyPem).split("\n")[1]),
            ...all(PRIVATE_KEY).flatMap(({ outputs: { privateKeyOpenssh: key } }) => (key ? [opened(key)] : [])),
        ];
        assert.ok(keys.length > 10);
        for (const resource of [...made.values()].flat()) {
            const { inputs, outputs } = resource;
            assert.deepEqual(plainOccurrences({ inputs, outputs }, [SENTINEL, ...keys], at(resource)), []);
        }
    });

    it("is entered into DNS without Cloudflare's proxy", () => {
        for (const { inputs } of all(RECORD)) {
            assert.equal(inputs.proxied, false);
            assert.match(inputs.zoneId, /^0{32}$/);
        }
    });

    it("runs in containers that are restarted, watched and within their disk", () => {
        for (const resource of all(CONTAINER)) {
            const { inputs } = resource;
            assert.equal(inputs.restart, "unless-stopped", at(resource));
            assert.ok(inputs.healthcheck && inputs.logOpts?.["max-size"], at(resource));
        }
    });

    it("runs in containers without root, capabilities and files of their own, and within limits", () => {
        for (const resource of all(CONTAINER)) {
            const { inputs } = resource;
            assert.match(inputs.user, /^[1-9]\d*:[1-9]\d*$/, at(resource));
            assert.deepEqual(inputs.capabilities, { drops: ["ALL"] }, at(resource));
            assert.deepEqual(inputs.securityOpts, ["no-new-privileges"], at(resource));
            assert.ok(inputs.readOnly && inputs.memory > 0, at(resource));
            assert.deepEqual([inputs.privileged, inputs.uploads], [undefined, undefined], at(resource));
        }
    });

    it("takes no container, network or volume along when something else is replaced", () => {
        // The engine deletes what depends on a resource by a property before it replaces that resource.
        const byProperty = ({ propertyDependencies }: Resource) =>
            Object.values(propertyDependencies).flatMap((urns) => urns ?? []);
        for (const resource of all(CONTAINER, NETWORK, VOLUME)) {
            const sources = [...reached(resource, byProperty)];
            const replaced = sources.filter(({ type }) => [CONTAINER, DOMAIN, REMOTE, LOCAL].includes(type));
            assert.deepEqual(replaced.map(at), [], `${at(resource)} is made of outputs of these`);
        }
    });

    it("publishes no port of a container but the front's", () => {
        const publishing = all(CONTAINER).filter(
            ({ inputs }) => inputs.ports !== undefined || inputs.publishAllPorts || inputs.networkMode === "host",
        );
        assert.deepEqual(
            publishing.map(at),
            all(STACK).flatMap(({ stack, outputs }) =>
                outputs.mirrorUrl === undefined ? [] : [`onprem-front-container of ${stack}`],
            ),
        );
    });

    it("opens the Worker by its own host name only, on a runtime that drops keys at redirects", () => {
        for (const { inputs } of all(SCRIPT)) assert.ok(inputs.compatibilityDate >= "2025-09-01");
        assert.deepEqual(
            all(SUBDOMAIN).map(({ stack, inputs }) => [
                stack,
                inputs.scriptName,
                inputs.enabled,
                inputs.previewsEnabled,
            ]),
            all(SCRIPT).map(({ stack, inputs }) => [stack, inputs.scriptName, false, false]),
        );
    });

    it("opens 443 of a made machine to the world, 80 for HTTP-01 alone, and nothing else", () => {
        const machines = all(SECURITY_GROUP, LIGHTSAIL_PORTS);
        const kinds = machines.map((machine) => {
            const open = openPorts(machine);
            const { tls = "acme", acmeChallenge } = JSON.parse(
                configs.get(machine.stack)?.config["dockermirror:overseas"] ?? "",
            );
            const byHttp = tls === "acme" && acmeChallenge !== "dns-01";
            assert.deepEqual(
                open.map(([port]) => port).sort((a, b) => a - b),
                byHttp ? [22, 80, 443] : [22, 443],
                at(machine),
            );
            for (const [port, ranges] of open) {
                const world = ranges.filter((range) => Number(range.split("/")[1]) < 8);
                assert.deepEqual(
                    world.length > 0,
                    port !== 22,
                    `${at(machine)}: ${port} is open to ${ranges.join(", ")}`,
                );
            }
            return byHttp;
        });
        assert.deepEqual(new Set(kinds), new Set([true, false]));
    });

    it("gives a made machine secret user data, an encrypted disk and no way to them by IMDSv1", () => {
        for (const machine of all(EC2_INSTANCE, LIGHTSAIL_INSTANCE))
            assert.ok(isSecret(machine.inputs.userData), at(machine));
        for (const { inputs } of all(EC2_INSTANCE)) {
            assert.equal(inputs.rootBlockDevice.encrypted, true);
            assert.equal(inputs.metadataOptions.httpTokens, "required");
        }
        assert.ok(all(LIGHTSAIL_INSTANCE).length > 0);
    });

    it("hands over what it knows of a machine as a secret, and pins the host key of one that it made", () => {
        const hostKeys = all(PRIVATE_KEY)
            .filter(({ name }) => name.startsWith("vm-host-key"))
            .map(({ stack, outputs }) => [stack, outputs.publicKeyOpenssh.trim()]);
        const pinned = new Set<string>();
        for (const command of all(REMOTE)) {
            assert.ok(isSecret(command.inputs.connection), at(command));
            const made = hostKeys.filter(([stack]) => stack === command.stack).map(([, key]) => key);
            if (made.length === 0) continue;
            const { hostKey } = opened(command.inputs.connection);
            assert.ok(made.includes(hostKey.trim()), at(command));
            pinned.add(command.stack);
        }
        assert.ok(pinned.size > 0);
        for (const { stack, outputs } of all(STACK))
            if (outputs.relaySsh !== undefined) assert.ok(isSecret(outputs.relaySsh), stack);
    });

    it("pulls the on-prem host's images only once every relay of the stack answers", () => {
        const before = ({ dependencies, parent }: Resource) => [...dependencies, parent];
        const relays = /^(nginx|worker|vm)-(ready|apply|certificate|domain|gate-command)$/;
        const waiting = all(IMAGE).flatMap((image) => {
            const first = reached(image, before);
            const all = made.get(image.stack)?.filter(({ name }) => relays.test(name)) ?? [];
            for (const relay of all) assert.ok(first.has(relay), `${at(image)} does not wait for ${relay.name}`);
            return all;
        });
        assert.ok(waiting.length > 0);
    });
});

/** As `pulumi stack export` has it. */
function fromState(state: Record<string, any>, stack: string): Resource {
    const { urn, type, custom = false, parent = "", dependencies, propertyDependencies, inputs, outputs } = state;
    return {
        ...{ urn, type, stack, custom, parent, name: urn.slice(urn.lastIndexOf("::") + 2) },
        ...{ dependencies: dependencies ?? [], propertyDependencies: propertyDependencies ?? {} },
        ...{ inputs: inputs ?? {}, outputs: outputs ?? {} },
    };
}

/** Ports of a made machine that are open, and to whom. */
function openPorts({ inputs }: Resource): [number, string[]][] {
    const rules: Record<string, any>[] = inputs.ingress ?? inputs.portInfos;
    return rules.map(({ protocol, fromPort, toPort, cidrBlocks, ipv6CidrBlocks, cidrs, ipv6Cidrs }) => {
        assert.deepEqual([protocol, fromPort], ["tcp", toPort]);
        return [fromPort, [cidrBlocks, ipv6CidrBlocks, cidrs, ipv6Cidrs].flat().filter((range) => range !== undefined)];
    });
}
