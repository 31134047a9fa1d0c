/** Makes on this machine's Docker what a component asks for, as the engine does: volumes, containers and commands. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Docker } from "../../rehearsal/docker";
import { goProgram } from "../../rehearsal/go-programs";
import { makeBaseImages } from "../../rehearsal/images";
import { attempt, type Ran } from "../../rehearsal/run";
import { dockerProvider } from "../../rehearsal/stand-ins/docker";
import { type Deployed, only, reveal } from "./deploy";

const CONTAINER = "docker:index/container:Container";
const VOLUME = "docker:index/volume:Volume";
const COMMAND = "command:local:Command";

/** The engine of these tests, as a stack's settings name it. */
export const DOCKER_HOST = "unix:///var/run/docker.sock";

/** Containers of components, with names of the test's own. */
export class DeployedContainers {
    readonly docker = new Docker(DOCKER_HOST);
    private readonly folder = mkdtempSync(join(tmpdir(), "dockermirror-containers-"));
    private readonly standIns;
    private readonly made = new Set<string>();

    /** @param name Of the test: what is made has it in its name. */
    constructor(private readonly name: string) {
        const cas = join(this.folder, "ca.pem");
        writeFileSync(cas, "");
        this.standIns = dockerProvider({ ...process.env, NODE_EXTRA_CA_CERTS: cas }, () => {}).standIns;
    }

    /** A name for a container, a volume or a network. */
    named(what: string): string {
        return `dockermirror-test-${this.name}-${process.pid}-${what}`;
    }

    /** An image with nginx, node, registry, a shell and wget: the slim base and programs of this machine. */
    async image(): Promise<string> {
        const tag = `dockermirror-test/${this.name}:${process.pid}`;
        const { slim } = await makeBaseImages(this.docker, () => {});
        const made = this.named("image");
        await this.docker.run(["run", "--name", made, slim.image, "ln", "-s", "/bin/busybox", "/usr/bin/wget"]);
        for (const [file, path] of [
            [process.execPath, "/usr/local/bin/node"],
            [goProgram("registry"), "/usr/local/bin/registry"],
        ] as const) {
            await this.docker.run(["cp", file, `${made}:${path}`]);
        }
        await this.docker.run(["commit", made, tag]);
        await this.docker.run(["rm", made]);
        return tag;
    }

    async network(): Promise<string> {
        await this.docker.run(["network", "create", this.named("network")]);
        return this.named("network");
    }

    async volume(what: string): Promise<string> {
        await this.docker.run(["volume", "create", this.named(what)]);
        this.made.add(this.named(what));
        return this.named(what);
    }

    /** Makes volume and container of a component. Returns the container's name. */
    async make(deployed: Deployed): Promise<string> {
        for (const { inputs } of deployed.resources.filter(({ type }) => type === VOLUME)) {
            await this.docker.run(["volume", "create", inputs.name]);
            this.made.add(inputs.name);
        }
        const { type, name, inputs } = only(deployed, CONTAINER);
        await this.docker.attempt(["rm", "--force", "--volumes", inputs.name]);
        await this.standIns[type]?.create({ type, name, inputs: reveal(inputs), provider: { host: DOCKER_HOST } });
        return inputs.name;
    }

    /** Runs one of the component's commands as Pulumi would; where it is by SSH, the other side is this machine, too. */
    async command(deployed: Deployed, part: string): Promise<Ran> {
        const { create, stdin } = reveal(only(deployed, COMMAND, part).inputs);
        const ssh = join(this.folder, "ssh");
        writeFileSync(ssh, '#!/bin/sh\nfor last; do :; done\nexec sh -c "$last"\n', { mode: 0o755 });
        const env = { ...process.env, PATH: `${this.folder}:${process.env.PATH}` };
        return attempt("/bin/sh", ["-c", create], { input: stdin, env });
    }

    /** Makes everything of a component, in its order. Throws when a command fails. */
    async deploy(deployed: Deployed): Promise<string> {
        await this.succeed(deployed, "-trial");
        const container = await this.make(deployed);
        await this.succeed(deployed, "-files");
        return container;
    }

    async succeed(deployed: Deployed, part: string): Promise<void> {
        const { code, stdout, stderr } = await this.command(deployed, part);
        if (code !== 0) throw new Error(`${part} ended with ${code}:\n${stdout}${stderr}`);
    }

    async close(): Promise<void> {
        const containers = await this.docker.run(["ps", "--all", "--quiet", "--filter", `name=${this.named("")}`]);
        const ids = containers.split("\n").filter(Boolean);
        if (ids.length > 0) await this.docker.run(["rm", "--force", "--volumes", ...ids]);
        for (const volume of this.made) await this.docker.attempt(["volume", "rm", volume]);
        await this.docker.attempt(["network", "rm", this.named("network")]);
        await this.docker.attempt(["image", "rm", `dockermirror-test/${this.name}:${process.pid}`]);
        rmSync(this.folder, { recursive: true });
    }
}
