/**
 * The example stacks: each is accepted and makes what its comment says, and those that go together fit together. What one
 * stack reads of another is what the program exported on that one. It does not prove that Pulumi's backends hand it over.
 */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { readStack } from "../../rehearsal/stack-file";
import { UPSTREAMS } from "../../services/registry/upstreams";
import { parseConfig, type UplinkConfig } from "../../services/uplink/config";
import { containerFiles } from "../support/container-files";
import { type Deployed, PROJECT, plainOccurrences, type Resource, reveal } from "../support/deploy";
import { type DeployedProgram, OUTPUTS, runProgram, SENTINEL } from "../support/program";
import { unpacked } from "../support/release";

const STACKS = join(__dirname, "../../stacks");
const EXAMPLES = readdirSync(STACKS)
    .filter((file) => file.startsWith("Pulumi.example"))
    .map((file) => file.slice("Pulumi.".length, -".yaml".length))
    .sort();

const text = (example: string) => readFileSync(join(STACKS, `Pulumi.${example}.yaml`), "utf8");

/** Stacks that a stack refers to. */
const referred = (config: Record<string, any>): string[] => [
    ...new Set<string>((config.relays ?? []).flatMap(({ stack }: { stack?: string }) => stack ?? [])),
];

/** A stack's settings, by key without the project, with made-up values for what is encrypted. */
function settingsOf(example: string): { config: Record<string, any>; secretKeys: string[] } {
    const { config, secretKeys } = readStack(example, {
        relayKey: `${SENTINEL}0ofTheProvider`,
        hubToken: `${SENTINEL}0hub`,
    });
    const short = (key: string) => key.slice(`${PROJECT}:`.length);
    const entries = Object.entries(config).map(([key, value]) => [short(key), parse(value)]);
    return { config: Object.fromEntries(entries), secretKeys: secretKeys.map(short) };
}

const made = new Map<string, Promise<DeployedProgram>>();

/** The program on an example, after those that it refers to. Run once, whichever tests ask. */
function up(example: string): Promise<DeployedProgram> {
    const known = made.get(example) ?? upAfter(settingsOf(example));
    made.set(example, known);
    return known;
}

async function upAfter({ config, secretKeys }: ReturnType<typeof settingsOf>): Promise<DeployedProgram> {
    const stacks: Record<string, DeployedProgram> = {};
    // One after another: Pulumi's runtime is one for the process.
    for (const stack of referred(config)) stacks[stack] = await up(stack);
    return runProgram({ config, secretKeys, stacks, outputs: OUTPUTS });
}

const ofType = ({ resources }: Deployed, type: string): Resource[] =>
    resources.filter((resource) => resource.type === type);
const has = (deployed: Deployed, type: string) => ofType(deployed, type).length > 0;

const EC2 = "aws:ec2/instance:Instance";
const LIGHTSAIL = "aws:lightsail/instance:Instance";
const WORKER = "cloudflare:index/workersScript:WorkersScript";
const PASSWORD = "random:index/randomPassword:RandomPassword";
const CONTAINER = "docker:index/container:Container";
const REFERENCE = "pulumi:pulumi:StackReference";

/** Where the uplink of a stack asks, in its order: relay by relay, with the key. */
function relaysOf(deployed: Deployed): UplinkConfig["relays"] {
    return parseConfig(containerFiles(deployed, "onprem-uplink")["uplink.json"] ?? "", "uplink.json").relays;
}

const names = (deployed: Deployed) => relaysOf(deployed).map(({ name }) => name);
const keyOf = (deployed: Deployed, id: string): string => deployed.outputs.relayKeys[id];

/** Key ids that the Worker and the machine of a stack let in. */
function admitted(deployed: Deployed): string[][] {
    const [worker] = ofType(deployed, WORKER);
    const bindings: { name: string; text: string }[] = worker ? reveal(worker.inputs.bindings) : [];
    const ofWorker = bindings.filter(({ name }) => name === "KEYS").map((keys) => Object.keys(JSON.parse(keys.text)));
    const [apply] = ofType(deployed, "command:remote:Command").filter(({ name }) => name === "nginx-apply");
    const conf = apply ? (unpacked(reveal(apply.inputs.stdin)).files["keys.conf"]?.content ?? "") : "";
    const digests = conf.matchAll(/^ {4}[0-9a-f]{64} {2}"(.+)";$/gm);
    return [...ofWorker, [...digests].map(([, id = ""]) => id)];
}

describe("The example stacks", () => {
    for (const example of EXAMPLES) {
        describe(example, () => {
            it("says on top for whom it is", () => {
                assert.match(
                    text(example),
                    /^# (One|Every setting, for one|A) (person|office|company|provider|public)/,
                );
            });

            it("refers to examples alone, and makes something", async () => {
                for (const stack of referred(settingsOf(example).config)) assert.ok(EXAMPLES.includes(stack), stack);
                const { resources } = await up(example);
                assert.ok(resources.some(({ custom }) => custom));
            });

            it("keeps its secrets, and those that it reads, in secret envelopes", async () => {
                const { resources, outputs, secretOutputs } = await up(example);
                for (const { name, inputs } of resources)
                    assert.deepEqual(plainOccurrences(inputs, SENTINEL), [], name);
                const readable = Object.entries(outputs).filter(([name]) => !secretOutputs[name]);
                assert.deepEqual(plainOccurrences(readable, SENTINEL), []);
            });
        });
    }

    it("have every setting, and every upstream, in the first of them", () => {
        const reference = text("example");
        const declared = Object.keys(parse(readFileSync(join(STACKS, "../Pulumi.yaml"), "utf8")).config);
        for (const key of declared) assert.match(reference, new RegExp(`^ +(?:# )?dockermirror:${key}:`, "m"), key);
        assert.deepEqual(
            settingsOf("example").config.upstreams,
            UPSTREAMS.map(({ name }) => name),
        );
    });

    it("are one VPS and one machine at home, without Cloudflare", async () => {
        const deployed = await up("example-one-vps");
        assert.deepEqual(
            deployed.resources.filter(({ type }) => type.startsWith("cloudflare:") || type.startsWith("aws:")),
            [],
        );
        assert.deepEqual(names(deployed), ["nginx"]);
        assert.match(deployed.outputs.dnsRecord, /^vm\.example\.net\. /);
    });

    it("are one office with both relays of its own", async () => {
        const deployed = await up("example");
        assert.deepEqual([has(deployed, EC2), has(deployed, WORKER)], [true, true]);
        assert.deepEqual(names(deployed), ["nginx", "worker"]);
    });

    describe("of a company", () => {
        const OFFICES = ["shanghai", "chengdu", "berlin"];

        it("have relays in two regions, with a key for each office, and nothing at home", async () => {
            const [tokyo, frankfurt] = [await up("example-tokyo"), await up("example-frankfurt")];
            assert.deepEqual([has(tokyo, LIGHTSAIL), has(tokyo, WORKER), has(tokyo, CONTAINER)], [true, true, false]);
            assert.deepEqual([has(frankfurt, EC2), has(frankfurt, WORKER)], [true, false]);
            assert.deepEqual(admitted(tokyo), [
                ["shanghai.1", "shanghai.2", "chengdu.1", "berlin.1"],
                ["shanghai.1", "shanghai.2", "chengdu.1", "berlin.1"],
            ]);
            assert.deepEqual(admitted(frankfurt), [["shanghai.1", "chengdu.1", "berlin.1"]]);
        });

        it("have offices that make no relay and no key", async () => {
            for (const office of OFFICES) {
                const deployed = await up(`example-${office}`);
                const types = deployed.resources.map(({ type }) => type);
                assert.deepEqual(
                    types.filter((type) => /^(aws|cloudflare|random):/.test(type)),
                    [],
                );
                assert.ok(types.includes(REFERENCE));
            }
        });

        it("let each office ask the relays in its own order", async () => {
            const [nginx, worker, frankfurt] = ["tokyo-nginx", "tokyo-worker", "frankfurt-nginx"].map(
                (name) => `example-${name}`,
            );
            assert.deepEqual(names(await up("example-shanghai")), [nginx, worker, frankfurt]);
            assert.deepEqual(names(await up("example-chengdu")), [nginx, frankfurt, worker]);
            assert.deepEqual(names(await up("example-berlin")), [frankfurt, nginx, worker]);
        });

        it("give each office its own newest key at each relay", async () => {
            const [tokyo, frankfurt] = [await up("example-tokyo"), await up("example-frankfurt")];
            for (const office of OFFICES) {
                for (const { name, key } of relaysOf(await up(`example-${office}`))) {
                    const id = name.startsWith("example-tokyo") && office === "shanghai" ? "shanghai.2" : `${office}.1`;
                    assert.equal(
                        key,
                        keyOf(name.startsWith("example-tokyo") ? tokyo : frankfurt, id),
                        `${office} ${name}`,
                    );
                }
            }
        });

        it("get another office by one file and one name: nothing that is there changes for the others", async () => {
            const tokyo = settingsOf("example-tokyo");
            const keys = [...tokyo.config.keys, { name: "chongqing" }];
            const after = await upAfter({ ...tokyo, config: { ...tokyo.config, keys } });
            const before = await up("example-tokyo");
            const key = (deployed: Deployed) => ofType(deployed, PASSWORD).map(({ name }) => name);
            assert.deepEqual(key(after), [...key(before), "keys-chongqing.1"]);
            const stacks = { "example-tokyo": after };
            const office = {
                relays: [{ stack: "example-tokyo", key: "chongqing" }],
                onprem: { docker: "ssh://ops@10.4.0.5", hostname: "mirror.chongqing.example.com" },
            };
            const chongqing = await runProgram({ config: office, stacks, outputs: OUTPUTS });
            for (const relay of relaysOf(chongqing)) assert.equal(relay.key, keyOf(after, "chongqing.1"));
            for (const ids of admitted(after)) assert.ok(ids.includes("chongqing.1"));

            const shanghai = settingsOf("example-shanghai");
            const again = await runProgram({
                ...shanghai,
                stacks: { ...stacks, "example-frankfurt": await up("example-frankfurt") },
                outputs: OUTPUTS,
            });
            assert.deepEqual(reveal(again.resources), reveal((await up("example-shanghai")).resources));
        });

        it("rotate a key in two steps, in which the office is never without a key that the relays take", async () => {
            const rotate = async (generation: number): Promise<DeployedProgram> => {
                const tokyo = settingsOf("example-tokyo");
                const keys = [{ name: "chengdu", generation }];
                return upAfter({ ...tokyo, config: { ...tokyo.config, keys } });
            };
            const office = async (tokyo: DeployedProgram): Promise<string[]> => {
                const relays = [{ stack: "example-tokyo", key: "chengdu" }];
                const { config } = settingsOf("example-chengdu");
                const stacks = { "example-tokyo": tokyo };
                const deployed = await runProgram({ config: { ...config, relays }, stacks, outputs: OUTPUTS });
                return relaysOf(deployed).map(({ key }) => key);
            };
            const [first, second, third] = [await rotate(1), await rotate(2), await rotate(3)];
            const key = (generation: number) => `${SENTINEL}0keyschengdu${generation}`;

            assert.deepEqual(await office(first), [key(1), key(1)]);
            // Step 1, up where the relays are: both take the office's key and the new one.
            for (const ids of admitted(second)) assert.deepEqual(ids, ["chengdu.1", "chengdu.2"]);
            assert.equal(keyOf(second, "chengdu.1"), key(1));
            // Step 2, up in the office: it takes the new one, and nothing had to be carried to it.
            assert.deepEqual(await office(second), [key(2), key(2)]);
            // The next rotation ends the first key, and not the office's.
            for (const ids of admitted(third)) assert.deepEqual(ids, ["chengdu.2", "chengdu.3"]);
        });

        it("let an office in no more once its name is taken away", async () => {
            const tokyo = settingsOf("example-tokyo");
            const keys = tokyo.config.keys.filter(({ name }: { name: string }) => name !== "berlin");
            const after = await upAfter({ ...tokyo, config: { ...tokyo.config, keys } });
            for (const ids of admitted(after)) assert.deepEqual(ids, ["shanghai.1", "shanghai.2", "chengdu.1"]);
            const stacks = { "example-tokyo": after, "example-frankfurt": await up("example-frankfurt") };
            await assert.rejects(
                runProgram({ ...settingsOf("example-berlin"), stacks, outputs: OUTPUTS }),
                /dockermirror:relays\[1\]\.key {2}must be a key of example-tokyo \(.*\), got "berlin"/,
            );
        });
    });

    it("are a provider's relays, and a customer who knows one key of them and refers to no stack", async () => {
        const provider = await up("example-provider");
        assert.deepEqual(admitted(provider)[0], ["acme.1", "globex.1", "globex.2"]);
        const customer = await up("example-customer");
        assert.equal(has(customer, REFERENCE), false);
        assert.deepEqual(
            relaysOf(customer).map(({ url, key }) => [url, key]),
            provider.outputs.relays.map(({ hostname }: { hostname: string }) => [
                `https://${hostname}`,
                `${SENTINEL}0ofTheProvider`,
            ]),
        );
    });

    it("are a public service on a machine whose traffic is included, with a contact and a limit", async () => {
        const deployed = await up("example-public");
        assert.deepEqual([has(deployed, LIGHTSAIL), has(deployed, WORKER)], [true, false]);
        const { access, abuseContact, publicLimit } = settingsOf("example-public").config;
        assert.deepEqual([access, abuseContact], ["public", "mailto:abuse@example.org"]);
        assert.ok(publicLimit.requestsPerMinute > 0);
    });
});
