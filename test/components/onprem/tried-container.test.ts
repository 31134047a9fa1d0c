/** That a program really refuses what it cannot use is proven with the front, the uplink and in the rehearsal. */
import assert from "node:assert/strict";
import type * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { triedContainer } from "../../../components/onprem/tried-container";
import { type Deployed, deploy, only, plainOccurrences, type Resource, reveal } from "../../support/deploy";
import { pronounce } from "../../support/verdict";

const CONTAINER = "docker:index/container:Container";
const LOCAL = "command:local:Command";
const TRIAL = { command: ["program", "--check"], what: "the program's configuration" };
const ARGS: docker.ContainerArgs = {
    name: "dockermirror-program",
    image: "sha256:program",
    command: ["program"],
    networksAdvanced: [{ name: "home", aliases: ["program"] }],
    ports: [{ internal: 443, external: 443 }],
    volumes: [{ volumeName: "store", containerPath: "/store" }],
    uploads: [{ file: "/etc/program", content: pulumi.secret("sEntiNel") }],
    envs: ["A=1"],
    user: "1000",
    entrypoints: ["/entry"],
    capabilities: { drops: ["ALL"] },
    labels: [{ label: "own", value: "1" }],
};

interface Run {
    readonly args?: docker.ContainerArgs;
    readonly exitCode?: number;
    readonly logs?: string;
    /** Names of what was made, also when it fails. */
    readonly made?: string[];
}

function make({ args = ARGS, exitCode = 0, logs, made = [] }: Run = {}): Promise<Deployed> {
    const container = ({ attach }: Record<string, any>, name: string) => {
        made.push(name);
        return attach ? { exitCode, containerLogs: logs } : {};
    };
    return deploy(() => ({ made: triedContainer("program", args, {}, TRIAL).container.id }), {
        outputs: { [CONTAINER]: container },
    });
}

const trialOf = (deployed: Deployed) => only(deployed, CONTAINER, "-trial");
const verdictOf = (deployed: Deployed) => only(deployed, LOCAL, "-verdict");
const realOf = ({ resources }: Deployed): Resource => resources.find(({ name }) => name === "program")!;

describe("triedContainer", () => {
    it("makes the container as it was asked for, with a label of what was tried", async () => {
        const { inputs } = realOf(await make());
        const { labels, uploads, ...rest } = inputs;
        const { labels: _, uploads: __, ...asked } = ARGS;
        assert.deepEqual(rest, asked);
        assert.deepEqual(reveal(uploads), [{ file: "/etc/program", content: "sEntiNel" }]);
        assert.deepEqual(labels[0], { label: "own", value: "1" });
        assert.equal(labels[1].label, "dockermirror.tried");
        assert.match(labels[1].value, /^[0-9a-f]{64}$/);
        assert.equal(labels.length, 2);
    });

    it("tries it with all that the program's reading can depend on, and nothing that could disturb", async () => {
        const { inputs } = trialOf(await make());
        const { uploads, ...rest } = inputs;
        assert.deepEqual(reveal(uploads), [{ file: "/etc/program", content: "sEntiNel" }]);
        assert.deepEqual(rest, {
            image: "sha256:program",
            command: ["program", "--check"],
            envs: ["A=1"],
            user: "1000",
            entrypoints: ["/entry"],
            capabilities: { drops: ["ALL"] },
            networksAdvanced: [{ name: "home" }],
            attach: true,
            logs: true,
            mustRun: false,
            restart: "no",
        });
    });

    it("deletes the old container for its name, and no trial before the next has passed", async () => {
        const deployed = await make();
        assert.equal(realOf(deployed).deleteBeforeReplace, true);
        assert.equal(trialOf(deployed).deleteBeforeReplace, false);
    });

    it("makes the container after the trial and its verdict, and of nothing that they put out", async () => {
        const made: string[] = [];
        const deployed = await make({ made });
        const { dependencies, propertyDependencies } = realOf(deployed);
        assert.deepEqual(made, ["program-trial", "program"]);
        assert.ok(dependencies.some((urn) => urn.endsWith("::program-verdict")));
        assert.deepEqual([...propertyDependencies], []);
        assert.ok([...verdictOf(deployed).propertyDependencies].some((urn) => urn.endsWith("::program-trial")));
    });

    it("passes what exits with 0, whatever it prints", async () => {
        assert.deepEqual(await pronounce(await make({ logs: "a warning" })), { code: 0, stdout: "", stderr: "" });
    });

    for (const [logs, lines] of [
        ["line 1: oops\nbad configuration\n", ["  line 1: oops", "  bad configuration"]],
        [undefined, ["  it printed nothing"]],
    ] as const) {
        it(`fails when the trial fails, with ${logs ? "all that it printed" : "a word that it printed nothing"}`, async () => {
            const { code, stderr } = await pronounce(await make({ exitCode: 3, logs }));
            assert.equal(code, 1);
            assert.deepEqual(stderr.trimEnd().split("\n"), [
                'the program\'s configuration is not usable, what ran before still runs. "program --check" ended with 3:',
                ...lines,
            ]);
        });
    }

    it("fails with the end of what is too long for an environment variable", async () => {
        const { code, stderr } = await pronounce(await make({ exitCode: 1, logs: `${"é".repeat(200_000)}the end` }));
        assert.equal(code, 1);
        assert.match(stderr, /the end$/m);
    });

    it("replaces the container when image, files or environment change, and only then", async () => {
        const label = async (args: docker.ContainerArgs) => {
            const deployed = await make({ args });
            const { value } = realOf(deployed).inputs.labels.at(-1);
            // It is looked at again whenever it is tried again.
            assert.deepEqual(verdictOf(deployed).inputs.triggers, [value]);
            return value;
        };
        const first = await label(ARGS);
        assert.equal(await label({ ...ARGS, memory: 512 }), first);
        const changes: docker.ContainerArgs[] = [
            { ...ARGS, image: "sha256:other" },
            { ...ARGS, uploads: [{ file: "/etc/program", content: "other" }] },
            { ...ARGS, envs: ["A=2"] },
        ];
        for (const args of changes) assert.notEqual(await label(args), first, JSON.stringify(args));
    });

    it("shows no secret of the files, and works without labels and networks of its own", async () => {
        const { labels: _, networksAdvanced: __, ...args } = ARGS;
        const deployed = await make({ args });
        for (const { inputs } of deployed.resources) assert.deepEqual(plainOccurrences(inputs, "sEntiNel"), []);
        assert.deepEqual(trialOf(deployed).inputs.networksAdvanced, []);
        assert.equal(realOf(deployed).inputs.labels.length, 1);
    });

    it("cannot know in a preview whether it will be accepted, and goes on", async () => {
        const { resources } = await deploy(() => ({ made: triedContainer("program", ARGS, {}, TRIAL).container.id }), {
            preview: true,
        });
        assert.deepEqual(resources.map(({ name }) => name).sort(), ["program", "program-trial", "program-verdict"]);
    });
});
