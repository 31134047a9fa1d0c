/** The rehearsal's engine with stand-ins that only take notes. What the real ones make is seen by the rehearsal itself. */
import assert from "node:assert/strict";
import * as command from "@pulumi/command";
import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";
import {
    destroy,
    type Machinery,
    type Properties,
    type Rehearsal,
    type StackOutputs,
    type StandIn,
    type State,
    up,
} from "../../rehearsal/engine";

const PASSWORD = "random:index/randomPassword:RandomPassword";
const COMMAND = "command:local:Command";
const NETWORK = "docker:index/network:Network";

/** A rehearsal whose stand-ins write down what is asked of them. */
class Notes {
    readonly calls: string[] = [];
    readonly lines: string[] = [];
    readonly state: State = {};
    readonly wanted: Properties[] = [];

    standIn(outputs: (inputs: Properties, name: string) => Properties = () => ({}), updates = false): StandIn {
        return {
            create: async ({ name, inputs, provider }) => {
                this.calls.push(`create ${name}`);
                this.wanted.push({ name, inputs, provider });
                return { id: `id of ${name}`, outputs: outputs(inputs, name) };
            },
            remove: async ({ name }) => void this.calls.push(`remove ${name}`),
            ...(updates && {
                update: async ({ name, inputs }, old) => {
                    this.calls.push(`update ${name} from ${JSON.stringify(old.inputs)}`);
                    return { id: old.id, outputs: outputs(inputs, name) };
                },
            }),
        };
    }

    get machinery(): Machinery {
        return {
            standIns: {
                [PASSWORD]: this.standIn((_, name) => ({ result: `made ${name}` })),
                [COMMAND]: {
                    ...this.standIn(({ create }) => ({ stdout: `ran ${create}` }), true),
                    replaceOn: ["triggers"],
                },
                [NETWORK]: this.standIn(),
            },
            state: this.state,
            tell: (line) => void this.lines.push(line),
        };
    }

    async run(program: () => Properties, change: Partial<Rehearsal> = {}): Promise<Properties> {
        return (await this.runStack(program, change)).outputs;
    }

    runStack(program: () => Properties, change: Partial<Rehearsal> = {}): Promise<StackOutputs> {
        const stack = { project: "dockermirror", stack: "test", config: {}, secretKeys: [] };
        return up({ ...stack, ...this.machinery, functions: {}, ...change }, async () => program());
    }

    /** What was called since this was last asked for. */
    since(): string[] {
        return this.calls.splice(0);
    }
}

const password = (name: string, length = 8, opts?: pulumi.CustomResourceOptions) =>
    new random.RandomPassword(name, { length }, opts);
const network = (name: string, label: string, opts?: pulumi.CustomResourceOptions) =>
    new docker.Network(name, { name: label }, opts);

class Component extends pulumi.ComponentResource {
    constructor(name: string) {
        super("dockermirror:test:Component", name);
        password(`${name}-key`, 8, { parent: this });
        this.registerOutputs({});
    }
}

describe("The rehearsal's engine", () => {
    let notes: Notes;
    beforeEach(() => {
        notes = new Notes();
    });

    it("makes what the program asks for, each after what it depends on, and returns the outputs", async () => {
        const outputs = await notes.run(() => {
            const key = password("key");
            const ran = new command.local.Command("ran", { create: pulumi.interpolate`use ${key.result}` });
            password("last", 8, { dependsOn: ran });
            return { told: ran.stdout, id: key.id };
        });
        assert.deepEqual(notes.since(), ["create key", "create ran", "create last"]);
        assert.deepEqual(outputs, { told: "ran use made key", id: "id of key" });
    });

    it("tells one line a resource", async () => {
        await notes.run(() => ({ key: password("key").id }));
        assert.equal(notes.lines.length, 1);
        assert.match(
            notes.lines[0] ?? "",
            /^made {2}key {2}\(random:index\/randomPassword:RandomPassword\) {2}\d+\.\d s$/,
        );
    });

    it("makes nothing for components, and what is in them", async () => {
        await notes.run(() => ({ component: new Component("site").urn }));
        assert.deepEqual(notes.since(), ["create site-key"]);
    });

    it("keeps outputs secret that the provider calls secret, and hands inputs over with secrets opened", async () => {
        let secret: boolean[] = [];
        await notes.run(() => {
            const key = password("key");
            const ran = new command.local.Command("ran", { create: "true", stdin: pulumi.secret("an input") });
            secret = [];
            void pulumi.isSecret(key.result).then((found) => secret.push(found));
            void pulumi.isSecret(ran.stdout).then((found) => secret.push(found));
            return { ids: [key.id, ran.id] };
        });
        assert.deepEqual(secret, [true, false]);
        assert.equal(notes.wanted.find(({ name }) => name === "ran")?.inputs.stdin, "an input");
    });

    it("gives stand-ins the settings of the provider that their resource is made by", async () => {
        await notes.run(() => {
            const provider = new docker.Provider("host", { host: "ssh://root@onprem.acme.lan" });
            return { id: network("home", "home", { provider }).id };
        });
        assert.equal(notes.wanted.find(({ name }) => name === "home")?.provider?.host, "ssh://root@onprem.acme.lan");
    });

    describe("on a second run", () => {
        const first = () => ({ ids: [password("key").id, network("home", "home").id] });

        it("makes nothing that is there already, and knows its outputs", async () => {
            const program = () => ({ result: password("key").result });
            await notes.run(program);
            notes.since();
            assert.deepEqual(await notes.run(program), { result: "made key" });
            assert.deepEqual(notes.since(), []);
        });

        it("does so after its state went through a file", async () => {
            await notes.run(first);
            const later = new Notes();
            Object.assign(later.state, JSON.parse(JSON.stringify(notes.state)));
            await later.run(first);
            assert.deepEqual(later.since(), []);
        });

        it("replaces what differs, the new one first", async () => {
            await notes.run(first);
            notes.since();
            await notes.run(() => ({ ids: [password("key", 9).id, network("home", "home").id] }));
            assert.deepEqual(notes.since(), ["create key", "remove key"]);
        });

        it("removes the old one first where its name would clash", async () => {
            const program = (label: string) => () => ({
                id: network("home", label, { deleteBeforeReplace: true }).id,
            });
            await notes.run(program("one"));
            notes.since();
            await notes.run(program("two"));
            assert.deepEqual(notes.since(), ["remove home", "create home"]);
        });

        it("updates what can be updated", async () => {
            const program = (create: string) => () => ({ told: new command.local.Command("ran", { create }).stdout });
            await notes.run(program("one"));
            notes.since();
            assert.deepEqual(await notes.run(program("two")), { told: "ran two" });
            assert.deepEqual(notes.since(), ['update ran from {"create":"one"}']);
        });

        it("removes what the program no longer wants", async () => {
            await notes.run(first);
            notes.since();
            await notes.run(() => ({ id: password("key").id }));
            assert.deepEqual(notes.since(), ["remove home"]);
            assert.deepEqual(Object.keys(notes.state), [`${PASSWORD} key`]);
        });

        it("removes nothing when the program fails", async () => {
            await notes.run(first);
            notes.since();
            const failing = notes.run(() => {
                throw new Error("a bad setting");
            });
            await assert.rejects(failing, /a bad setting/);
            assert.deepEqual(notes.since(), []);
            assert.equal(Object.keys(notes.state).length, 2);
        });

        it("replaces what cannot be updated", async () => {
            const program = (trigger: string) => () => ({
                told: new command.local.Command("ran", { create: "one", triggers: [trigger] }).stdout,
            });
            await notes.run(program("one"));
            notes.since();
            await notes.run(program("two"));
            assert.deepEqual(notes.since(), ["create ran", "remove ran"]);
        });

        it("leaves inputs as they were whose changes are ignored, and sees the others", async () => {
            const program = (length: number, special: boolean) => () => ({
                id: new random.RandomPassword("key", { length, special }, { ignoreChanges: ["length"] }).id,
            });
            await notes.run(program(8, true));
            notes.since();
            await notes.run(program(9, true));
            assert.deepEqual(notes.since(), []);
            await notes.run(program(9, false));
            assert.deepEqual(notes.wanted.at(-1)?.inputs, { length: 8, special: false });
        });

        it("takes an input as absent that was absent, when its changes are ignored", async () => {
            const program = (special?: boolean) => () => ({
                id: new random.RandomPassword("key", { length: 8, special }, { ignoreChanges: ["special"] }).id,
            });
            await notes.run(program());
            notes.since();
            await notes.run(program(true));
            assert.deepEqual(notes.since(), []);
        });

        // As the VM is: what hangs on it moves to the new one while the old one is still there.
        const chain = (generation: number) => () => {
            const machine = password(`machine-${generation}`);
            const address = password("address", generation, { dependsOn: machine });
            return { id: network("name", "name", { dependsOn: address }).id };
        };

        it("removes what was replaced and what is not wanted at the end, the last made first", async () => {
            await notes.run(chain(1));
            assert.deepEqual(notes.since(), ["create machine-1", "create address", "create name"]);
            await notes.run(chain(2));
            assert.deepEqual(notes.since(), [
                "create machine-2",
                "create address",
                "remove address",
                "remove machine-1",
            ]);
        });

        it("removes in a later run what was replaced in one that failed", async () => {
            await notes.run(chain(1));
            notes.since();
            const failing = notes.run(() => {
                const { id } = chain(2)();
                const failed = id.apply((): string => {
                    throw new Error("the new machine does not answer");
                });
                return { failed };
            });
            await assert.rejects(failing, /does not answer/);
            assert.deepEqual(notes.since(), ["create machine-2", "create address"]);
            await notes.run(chain(2));
            assert.deepEqual(notes.since(), ["remove address", "remove machine-1"]);
        });

        it("forgets what is to be retained, and leaves it where it is", async () => {
            await notes.run(() => ({ id: password("key", 8, { retainOnDelete: true }).id }));
            notes.since();
            await notes.run(() => ({}));
            assert.deepEqual(notes.since(), []);
            assert.deepEqual(Object.keys(notes.state), []);
        });

        it("destroys everything, the last made first, also what was made before what it depends on", async () => {
            await notes.run(chain(1));
            await notes.run(chain(2));
            notes.since();
            assert.deepEqual(await destroy(notes.machinery), []);
            assert.deepEqual(notes.since(), ["remove name", "remove address", "remove machine-2"]);
            assert.deepEqual(Object.keys(notes.state), []);
        });

        it("says what a destroyed stack leaves", async () => {
            await notes.run(() => ({ ids: [password("zone", 8, { retainOnDelete: true }).id, password("key").id] }));
            notes.since();
            assert.deepEqual(await destroy(notes.machinery), ["zone"]);
            assert.deepEqual(notes.since(), ["remove key"]);
        });
    });

    it("lets an edit change what a stand-in sees", async () => {
        await notes.run(() => ({ id: network("home", "home").id }), {
            edit: ({ name, inputs }) => {
                if (name === "home") inputs.name = "edited";
            },
        });
        assert.equal(notes.wanted[0]?.inputs.name, "edited");
    });

    it("answers provider functions, with secrets opened", async () => {
        const token = "docker:index/getNetwork:getNetwork";
        const functions = { [token]: async ({ name }: Properties) => ({ id: `id of ${name}` }) };
        const program = () => ({ id: docker.getNetworkOutput({ name: pulumi.secret("home") }).id });
        assert.deepEqual(await notes.run(program, { functions }), { id: "id of home" });
    });

    it("tells which outputs are secret, also where a secret is deep in one", async () => {
        const { outputs, secretOutputNames } = await notes.runStack(() => {
            const key = password("key");
            return { keys: { "acme.1": key.result }, relays: [{ name: "nginx", id: key.id }], mirrorUrl: undefined };
        });
        assert.deepEqual(secretOutputNames, ["keys"]);
        assert.deepEqual(outputs, {
            keys: { "acme.1": "made key" },
            relays: [{ name: "nginx", id: "id of key" }],
            mirrorUrl: undefined,
        });
    });

    describe("with a reference to another stack", () => {
        const outputs = { hostname: "vm.example.com", keys: { "acme.1": "a key" } };
        const stackOutputs = (name: string): StackOutputs | undefined =>
            name === "acme-tokyo" ? { outputs, secretOutputNames: ["keys"] } : undefined;
        const reference = () => new pulumi.StackReference("relays", { name: "acme-tokyo" });

        it("reads the other's outputs, of which the secret ones stay secret", async () => {
            let secret: boolean[] = [];
            const read = await notes.runStack(
                () => {
                    const stack = reference();
                    const [hostname, keys] = [stack.getOutput("hostname"), stack.getOutput("keys")];
                    secret = [];
                    void pulumi.isSecret(hostname).then((found) => secret.push(found));
                    void pulumi.isSecret(keys).then((found) => secret.push(found));
                    return { hostname, keys, none: stack.getOutput("none") };
                },
                { stackOutputs },
            );
            assert.deepEqual(read.outputs, { ...outputs, none: undefined });
            assert.deepEqual(read.secretOutputNames, ["keys"]);
            assert.deepEqual(secret, [false, true]);
        });

        it("hands them over as inputs, and opens the secrets for stand-ins only", async () => {
            await notes.run(
                () => {
                    const key = reference()
                        .getOutput("keys")
                        .apply((keys) => keys["acme.1"]);
                    return { told: new command.local.Command("ran", { create: "true", stdin: key }).stdout };
                },
                { stackOutputs },
            );
            assert.equal(notes.wanted[0]?.inputs.stdin, "a key");
        });

        it("reads them anew at each run, and keeps nothing of them", async () => {
            const program = () => ({ id: network("home", reference().getOutput("label") as any).id });
            const labelled = (label: string) => ({
                stackOutputs: () => ({ outputs: { label }, secretOutputNames: [] }),
            });
            await notes.run(program, labelled("one"));
            assert.deepEqual(Object.keys(notes.state), [`${NETWORK} home`]);
            notes.since();
            await notes.run(program, labelled("two"));
            assert.deepEqual(notes.since(), ["create home", "remove home"]);
            assert.deepEqual(await destroy(notes.machinery), []);
        });
    });

    const failures: Record<string, [() => Properties, RegExp]> = {
        "a stand-in's error": [
            () => ({ id: new docker.Volume("bad", {}).id }),
            /bad: the rehearsal has no stand-in for docker:index\/volume:Volume/,
        ],
        "an error in an apply": [
            () => {
                const { result } = password("key");
                const failed = result.apply((key): string => {
                    throw new Error(`${key}, thrown in an apply`);
                });
                return { failed };
            },
            /made key, thrown in an apply/,
        ],
        "two resources of one name": [
            () => ({ ids: [password("key").id, password("key").id] }),
            /two resources are named key/,
        ],
        "a function's error": [() => ({ id: docker.getNetworkOutput({ name: "bad" }).id }), /no network is named bad/],
        "a reference to a stack that is not there": [
            () => ({ out: new pulumi.StackReference("acme-tokio").getOutput("relays") }),
            /unknown stack "acme-tokio"/,
        ],
        "a function that nobody answers": [
            () => ({ id: docker.getPluginOutput({ alias: "any" }).id }),
            /no stand-in for the function docker:index\/getPlugin:getPlugin/,
        ],
    };
    for (const [what, [program, message]] of Object.entries(failures)) {
        it(`ends with ${what}, and does not wait for ever`, async () => {
            const functions = {
                "docker:index/getNetwork:getNetwork": async ({ name }: Properties): Promise<Properties> => {
                    throw new Error(`no network is named ${name}`);
                },
            };
            await assert.rejects(notes.run(program, { functions }), message);
        });
    }
});
