/**
 * A preview reaches no machine: neither by SSH nor by Docker. So it can run for a pull request anywhere, with every host
 * down. Three things together show it:
 * - the program itself opens no connection, looks up no name and starts no process but esbuild (here, on mocks);
 * - it calls no function of a provider that would reach a machine: functions run in previews as well (here);
 * - it has only resources whose provider does nothing in a preview. This rests on the providers' sources, each named
 *   below: a new kind of resource fails the test, until somebody has read its provider.
 *
 * It is not shown for `pulumi preview --refresh`, which reads what is there: drift.yml runs it at the office.
 */
import assert from "node:assert/strict";
import { createHook } from "node:async_hooks";
import childProcess from "node:child_process";
import { lookup } from "node:dns/promises";
import { once } from "node:events";
import { connect } from "node:net";
import { makeCa } from "../rehearsal/pki";
import { type Deployed, type DeployOptions, deploy, type Outputs } from "./support/deploy";
import { freshProgram } from "./support/fresh-program";

/** What Node makes when something goes to a network, to another program, or asks for a name. */
const REACHES_OUT = /^(TCPCONNECTWRAP|PIPECONNECTWRAP|UDPSENDWRAP|GETADDRINFOREQWRAP|QUERYWRAP|PROCESSWRAP)$/;

/** Resources whose providers leave machines alone in a preview, by the start of their type, and why. */
const HARMLESS: Readonly<Record<string, string>> = {
    // pulumi-command 1.2.1, provider/pkg/provider/{local,remote}/commandController.go: Create and Update return at once
    // when DryRun. Not `command:local:run`, a function, "will always be run on any preview or deployment".
    "command:local:Command": "runs nothing",
    "command:remote:Command": "runs nothing",
    // pulumi-docker 5, upstream internal/provider/config.go: MakeClient, which pings, is called by Create, Read, Update and
    // Delete and by data sources, not by Configure or Diff. provider/image.go: its own Configure skips ssh:// hosts.
    // Not docker:index/image:Image, which builds in previews.
    "docker:index/container:Container": "asks when it creates, reads or deletes",
    "docker:index/remoteImage:RemoteImage": "asks when it creates, reads or deletes",
    "docker:index/network:Network": "asks when it creates, reads or deletes",
    "docker:index/volume:Volume": "asks when it creates, reads or deletes",
    "pulumi:providers:docker": "Configure pings a unix:// socket, and no ssh:// host",
    // Computed where Pulumi runs.
    "random:": "asks nobody",
    "tls:": "asks nobody",
    // APIs on the Internet, not machines.
    "cloudflare:": "asks Cloudflare",
    "aws:": "asks AWS",
    "pulumi:providers:aws": "asks AWS",
    "pulumi:providers:cloudflare": "asks Cloudflare",
    // Reads the other stack from where Pulumi keeps its state.
    "pulumi:pulumi:StackReference": "asks the backend",
    // Components.
    "dockermirror:": "is not a resource of a provider",
    "pulumi:pulumi:Stack": "is not a resource of a provider",
};
/** Functions that reach no machine. */
const HARMLESS_FUNCTION = /^(cloudflare|aws):/;

/** Addresses that nobody has (RFC 5737): whoever reached out would wait for them. */
const OFFICE = "192.0.2.5";
const ADDRESS = "192.0.2.7";

const EDGE = { accountId: "0123456789abcdef0123456789abcdef", hostname: "hub.example.com" };
const HOST = { kind: "host", hostname: "vm.example.com", address: ADDRESS };
const CLOUD = { hostname: "vm.example.com", region: "ap-northeast-1", sshFrom: ["203.0.113.7/32"] };
const ONPREM = { docker: `ssh://ops@${OFFICE}`, hostname: "mirror.acme.lan" };
const CA = makeCa("relay").cert;

const STACKS: Readonly<Record<string, Record<string, unknown>>> = {
    "all three sites": { zone: "example.com", edge: EDGE, overseas: HOST, onprem: ONPREM },
    "an office": {
        onprem: ONPREM,
        relays: [{ name: "tokyo", hostname: "vm.example.com", ca: CA }],
        relayKey: "k".repeat(48),
    },
    "an office with another stack's relays": { onprem: ONPREM, relays: [{ stack: "acme-tokyo" }] },
    "a machine of EC2": { zone: "example.com", overseas: { ...CLOUD, kind: "ec2" } },
    "a machine of Lightsail": { zone: "example.com", overseas: { ...CLOUD, kind: "lightsail" } },
    "images from an archive": {
        zone: "example.com",
        overseas: HOST,
        onprem: { ...ONPREM, images: { from: "archive", archive: "images.tar" } },
    },
};

const ANSWERS: NonNullable<DeployOptions["functions"]> = {
    "cloudflare:index/getZone:getZone": () => ({
        id: "the-zone-id",
        name: "example.com",
        status: "active",
        nameServers: ["ns1.example.net", "ns2.example.net"],
    }),
    "aws:ec2/getAmi:getAmi": () => ({ id: "ami-0123456789abcdef0" }),
};
const OTHER_STACKS = {
    "acme-tokyo": {
        outputs: { relays: [{ name: "nginx", hostname: "vm.example.com", ca: CA }], relayKeys: { "acme.1": "k" } },
        secretOutputs: { relayKeys: true },
    },
};
/** What providers answer after an update: a preview of a stack that is there knows it from the state. */
const STATE: Outputs = {
    "docker:index/container:Container": (inputs) => (inputs.attach ? { exitCode: 0, containerLogs: "" } : {}),
    "random:index/randomPassword:RandomPassword": (_, name) => ({ result: `key0${name}`.padEnd(48, "0") }),
    "tls:index/privateKey:PrivateKey": (_, name) => ({ privateKeyPem: name, publicKeyOpenssh: `ssh-ed25519 ${name}` }),
    "tls:index/selfSignedCert:SelfSignedCert": () => ({ certPem: CA }),
    "tls:index/certRequest:CertRequest": () => ({ certRequestPem: "a request" }),
    "tls:index/locallySignedCert:LocallySignedCert": () => ({ certPem: CA }),
    "aws:ec2/eip:Eip": () => ({ publicIp: ADDRESS }),
    "aws:lightsail/staticIp:StaticIp": () => ({ ipAddress: ADDRESS }),
};

interface Previewed extends Deployed {
    /** Functions of providers that were called. */
    readonly functions: string[];
    readonly reached: string[];
}

async function preview(config: Record<string, unknown>, outputs: Outputs): Promise<Previewed> {
    const functions: string[] = [];
    const called =
        (token: string, answer: (inputs: any) => Record<string, unknown>) =>
        (inputs: unknown): Record<string, unknown> => {
            functions.push(token);
            return answer(inputs);
        };
    const answers = Object.fromEntries(
        Object.entries(ANSWERS).map(([token, answer]) => [token, called(token, answer)]),
    );
    const secretKeys = Object.keys(config).filter((key) => key === "relayKey");
    const options = { preview: true, config, secretKeys, outputs, functions: answers, stacks: OTHER_STACKS };
    const { result, reached } = await watched(() => deploy(freshProgram, options));
    return { ...result, functions, reached };
}

/** Does `work`; tells what went out of this process meanwhile: Node's name of it and from where, or the program started. */
async function watched<T>(work: () => T | Promise<T>): Promise<{ readonly result: T; readonly reached: string[] }> {
    const reached: string[] = [];
    const hook = createHook({
        init: (_, type) => {
            if (REACHES_OUT.test(type)) reached.push(`${type} ${new Error().stack?.split("\n").slice(2).join("\n")}`);
        },
    }).enable();
    // A program that is waited for leaves nothing that the hook sees.
    const { execFileSync, execSync, spawnSync } = childProcess;
    const told =
        <T extends (...args: any[]) => unknown>(start: T) =>
        (...args: any[]) => {
            if (!/\/esbuild$/.test(String(args[0]))) reached.push(String(args[0]));
            return start(...args);
        };
    const starters = { execFileSync: told(execFileSync), execSync: told(execSync), spawnSync: told(spawnSync) };
    Object.assign(childProcess, starters);
    try {
        return { result: await work(), reached };
    } finally {
        hook.disable();
        Object.assign(childProcess, { execFileSync, execSync, spawnSync });
    }
}

describe("A preview", () => {
    for (const [name, config] of Object.entries(STACKS)) {
        for (const [when, state] of Object.entries({ "before anything is there": {}, "of what is there": STATE })) {
            it(`reaches no machine ${when}: ${name}`, async () => {
                const { resources, functions, reached } = await preview(config, state);
                assert.deepEqual(reached, []);
                assert.deepEqual(
                    functions.filter((token) => !HARMLESS_FUNCTION.test(token)),
                    [],
                );
                const unknown = resources.filter(
                    ({ type }) =>
                        !Object.keys(HARMLESS).some(
                            (start) => type === start || (start.endsWith(":") && type.startsWith(start)),
                        ),
                );
                assert.deepEqual(
                    unknown.map(({ type }) => type),
                    [],
                    "Read what its provider does in a preview, then say so in HARMLESS",
                );
            });
        }
    }

    it("of an on-prem site names its Docker host, and has something on it", async () => {
        const { resources } = await preview(STACKS["an office"]!, STATE);
        const hosts = resources
            .filter(({ type }) => type === "pulumi:providers:docker")
            .map(({ inputs }) => inputs.host);
        assert.notEqual(hosts.length, 0);
        assert.deepEqual(new Set(hosts), new Set([`ssh://ops@${OFFICE}`]));
        assert.ok(resources.some(({ type }) => type === "docker:index/container:Container"));
        assert.ok(resources.some(({ type }) => type === "command:local:Command"));
    });

    it("would be caught if it reached out", async () => {
        const ways: Record<string, () => unknown> = {
            "^true$": () => childProcess.execFileSync("true"),
            "^PROCESSWRAP ": () => once(childProcess.spawn("true"), "close"),
            "^GETADDRINFOREQWRAP ": () => lookup("localhost"),
            "^TCPCONNECTWRAP ": () => once(connect(1, "127.0.0.1"), "error").catch(() => {}),
            "^PIPECONNECTWRAP ": () => once(connect("/nowhere.sock"), "error").catch(() => {}),
        };
        for (const [expected, reach] of Object.entries(ways)) {
            const { reached } = await watched(reach);
            assert.ok(
                reached.some((what) => new RegExp(expected).test(what)),
                `${expected}: ${reached}`,
            );
        }
    });
});
