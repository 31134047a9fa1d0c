/**
 * No secret is in plain in anything that Pulumi keeps or tells of a stack: inputs and outputs in its state, stack outputs.
 * Every example runs on mocks, with a sentinel in each secret that its settings can have and each that providers make.
 *
 * It does not prove what Pulumi and the providers make of what is marked: that state is encrypted is theirs.
 */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import * as pulumi from "@pulumi/pulumi";
import { MockMonitor } from "@pulumi/pulumi/runtime/mocks";
import { getMonitor } from "@pulumi/pulumi/runtime/settings";
import { parse } from "yaml";
import { makeCa } from "../rehearsal/pki";
import { PLACEHOLDER, SECRETS } from "../stacks/schema";
import { deploy, isSecret, PROJECT, plainOccurrences, type Resource, reveal } from "./support/deploy";
import { freshProgram } from "./support/fresh-program";
import { type DeployedProgram, FUNCTIONS, OUTPUTS, SENTINEL } from "./support/program";
import { onRegistration } from "./support/registrations";

const STACKS = join(__dirname, "../stacks");
const EXAMPLES = readdirSync(STACKS).flatMap((file) => /^Pulumi\.(.+)\.yaml$/.exec(file)?.[1] ?? []);
const CA = makeCa("a backup's");
const CHAIN = makeCa("the user's own").cert;

/** Two dozen programs, one after another. */
const PROGRAMS_MS = 180_000;

type Config = Record<string, any>;

/** A secret of the settings, which says whose it is. */
const secret = (name: string) => `${SENTINEL}0${name}`.padEnd(48, "0");

/** What an example says, without its secrets. */
function example(stack: string): Config {
    const { config } = parse(readFileSync(join(STACKS, `Pulumi.${stack}.yaml`), "utf8"));
    const entries = Object.entries<any>(config).map(([key, value]) => [key.replace(`${PROJECT}:`, ""), value]);
    return Object.fromEntries(entries.filter(([, value]) => value !== PLACEHOLDER));
}

/** Every secret that a stack can have beside those that are made for it. */
function withAccounts(config: Config): Config {
    const { edge, overseas, onprem, zone, relays = [], upstreams = ["ghcr.io"], access } = config;
    const acme = overseas && overseas.kind !== "host" && zone;
    const [upstream] = upstreams;
    return {
        ...config,
        ...(relays.some((relay: object) => "hostname" in relay) ? { relayKey: secret("relay") } : {}),
        ...(edge || overseas ? { hub: { username: "acme" }, hubToken: secret("hub") } : {}),
        ...((edge || overseas) && access !== "public"
            ? {
                  privateAccounts: [{ upstream, username: "acme-bot", repositories: ["acme/*"] }],
                  privateTokens: { [`${upstream}/acme-bot`]: secret("private") },
              }
            : {}),
        ...(overseas?.kind === "host" ? { sshPrivateKey: secret("ssh") } : {}),
        // What stands before its first line is no part of a key: RFC 7468, 2.
        ...(onprem && !overseas
            ? { onprem: { ...onprem, ca: CA.cert }, onpremCaKey: `${secret("onpremCa")}\n${CA.key}` }
            : {}),
        ...(acme ? { overseas: { ...overseas, acmeChallenge: "dns-01" }, acmeDnsToken: secret("dns") } : {}),
    };
}

/** Keys and certificates of the user's own in place of those that are made. */
function withOwn(config: Config): Config {
    const { edge, overseas, onprem, keys = [{ name: "default" }] } = config;
    const ids = keys.flatMap(({ name, generation = 1 }: Config) =>
        Array.from({ length: generation }, (_, index) => `${name}.${index + 1}`),
    );
    const { relayKey, hub, hubToken, sshPrivateKey } = withAccounts(config);
    const own = {
        ...config,
        ...(edge || overseas
            ? { relayKeys: Object.fromEntries(ids.map((id: string) => [id, secret(id.replace(/\W/g, ""))])) }
            : {}),
        ...{ relayKey, hub, hubToken, sshPrivateKey },
    };
    if (overseas) {
        const { tls: _, acmeServer: __, acmeEmail: ___, acmeChallenge: ____, ...machine } = overseas;
        Object.assign(own, {
            overseas: { ...machine, certificate: CHAIN },
            overseasCertificateKey: secret("overseas"),
        });
    }
    if (onprem)
        Object.assign(own, { onprem: { ...onprem, certificate: CHAIN }, onpremCertificateKey: secret("onprem") });
    return Object.fromEntries(Object.entries(own).filter(([, value]) => value !== undefined));
}

const VARIANTS = {
    "every secret that is made or asked for": withAccounts,
    "keys and certificates of one's own": withOwn,
};

type Variant = keyof typeof VARIANTS;
const VARIANT_NAMES = Object.keys(VARIANTS) as Variant[];

/** A stack as Pulumi knows it. */
interface Known extends DeployedProgram {
    readonly config: Config;
    /** What the state says of each resource, by URN. */
    readonly state: Readonly<Record<string, unknown>>;
}

const made = new Map<string, Known>();

/** The program on an example, after those that it refers to: run once, one at a time, for Pulumi's runtime is one. */
async function run(stack: string, variant: Variant): Promise<Known> {
    const id = `${stack} ${variant}`;
    const known = made.get(id) ?? (await runAnew(stack, variant));
    made.set(id, known);
    return known;
}

async function runAnew(stack: string, variant: Variant): Promise<Known> {
    const config = VARIANTS[variant](example(stack));
    const stacks: Record<string, DeployedProgram> = {};
    for (const { stack: other } of config.relays ?? []) if (other) stacks[other] = await run(other, variant);
    const secretOutputs: Record<string, boolean> = {};
    const encrypted = new Map<string, readonly string[]>();
    let monitor: unknown;
    const deployed = await deploy(
        async () => {
            monitor = getMonitor();
            onRegistration((request) => {
                encrypted.set(`${request.getType()}::${request.getName()}`, request.getAdditionalsecretoutputsList());
            });
            const exported = freshProgram();
            for (const [name, value] of Object.entries(exported))
                secretOutputs[name] = await pulumi.isSecret(pulumi.output(value));
            return exported;
        },
        { config, secretKeys: SECRETS.filter((key) => key in config), outputs: OUTPUTS, functions: FUNCTIONS, stacks },
    );
    assert.ok(monitor instanceof MockMonitor);
    const entries = [...monitor.getRegisteredResources()].map(([urn, { state }]) => {
        // The engine encrypts what the SDK calls secret by its name, and what comes marked.
        const names = [...encrypted].find(([key]) => urn.endsWith(key))?.[1] ?? [];
        const kept = Object.entries(plainObject(state)).filter(([name]) => !names.includes(name));
        return [urn, Object.fromEntries(kept)];
    });
    return { ...deployed, secretOutputs, config, state: Object.fromEntries(entries) };
}

/** What a component registered is still as it goes over the wire. */
function plainObject(state: any): object {
    return typeof state?.toJavaScript === "function" ? state.toJavaScript() : (state ?? {});
}

/** Every field of a resource in which the sentinel is, marked or not. */
function fields({ type, inputs }: Resource): string[] {
    const knowing = Object.keys(inputs).filter((name) => plainOccurrences(reveal(inputs[name]), SENTINEL).length > 0);
    return knowing.map((name) => `${type.split(/[:/]/).at(-1)}.${name}`);
}

describe("Secrets", () => {
    before(async function () {
        this.timeout(PROGRAMS_MS);
        for (const variant of VARIANT_NAMES) for (const stack of EXAMPLES) await run(stack, variant);
    });

    for (const variant of VARIANT_NAMES) {
        for (const stack of EXAMPLES) {
            describe(`of the stack ${stack} with ${variant}`, () => {
                it("are marked in the inputs of every resource and provider", async () => {
                    const { resources } = await run(stack, variant);
                    assert.deepEqual(
                        resources.flatMap(({ name, inputs }) => plainOccurrences(inputs, SENTINEL, name)),
                        [],
                    );
                });

                it("are marked or known as secrets in what the state says of every resource and component", async () => {
                    const { state, resources } = await run(stack, variant);
                    assert.ok(Object.keys(state).length >= resources.length);
                    assert.deepEqual(plainOccurrences(state, SENTINEL), []);
                });

                it("are marked in the stack's outputs", async () => {
                    const { outputs, secretOutputs } = await run(stack, variant);
                    const plain = Object.entries(outputs).filter(([name]) => !secretOutputs[name]);
                    assert.deepEqual(plainOccurrences(Object.fromEntries(plain), SENTINEL), []);
                });

                it("are in no command line and no environment, where other users see them: they go by standard input", async () => {
                    const { resources } = await run(stack, variant);
                    for (const { name, inputs } of resources.filter(({ type }) => /^command:/.test(type))) {
                        const { stdin: _, connection: __, triggers: ___, ...seen } = inputs;
                        assert.deepEqual(plainOccurrences(reveal(seen), SENTINEL, name), []);
                    }
                });
            });
        }
    }

    it("are looked for everywhere: all settings have one, and what is laid out anywhere holds one", () => {
        const all = [...made.values()];
        const set = new Set(all.flatMap(({ config }) => Object.keys(config)));
        assert.deepEqual(
            SECRETS.filter((key) => !set.has(key)),
            [],
        );
        const places = new Set(all.flatMap(({ resources }) => resources.flatMap(fields)));
        for (const place of [
            "Instance.userData",
            "Command.stdin",
            "Command.connection",
            "docker.registryAuth",
            "WorkersScript.bindings",
            "SelfSignedCert.privateKeyPem",
            "LocallySignedCert.caPrivateKeyPem",
        ])
            assert.ok(places.has(place), `no secret in ${place}, only in ${[...places].join(", ")}`);
    });

    it("would be found in plain, in Base64, compressed, and in Base64 within Base64", () => {
        const base64 = (text: string | Buffer) => Buffer.from(text).toString("base64");
        const hidden = {
            plain: `a ${SENTINEL} b`,
            basic: `Basic ${base64(`acme:${SENTINEL}`)}`,
            twice: base64(`files ${base64(`key ${SENTINEL}`)} end`),
            zipped: base64(gzipSync(`key ${SENTINEL}`)),
            list: [{ name: SENTINEL }],
        };
        assert.deepEqual(plainOccurrences(hidden, SENTINEL), [".plain", ".basic", ".twice", ".zipped", ".list.0.name"]);
        assert.deepEqual(
            plainOccurrences({ marked: { "4dabf18193072939515e22adb298388d": "", value: SENTINEL } }, SENTINEL),
            [],
        );
        assert.ok(isSecret({ "4dabf18193072939515e22adb298388d": "" }));
    });
});
