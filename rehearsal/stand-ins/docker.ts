/** @pulumi/docker: the resources of the on-prem site, really made on the Docker engine that the provider names. */
import { readFileSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { pack } from "tar-stream";
import { withTemporaryFolder } from "../../checks/temporary-folder";
import { Docker } from "../docker";
import { PUBLIC_CAS } from "../images";
import { barLine } from "../progress";
import { eventually } from "../run";
import { HalfMade, type Properties, type Provider, type Remembered, type StandIn, type Wanted } from "./stand-in";

interface ContainerState {
    readonly Id: string;
    readonly Name: string;
    readonly Image: string;
    readonly Config: { readonly Cmd: string[] | null; readonly User: string; readonly Hostname: string };
    readonly HostConfig: {
        readonly RestartPolicy: { readonly Name: string };
        readonly ReadonlyRootfs: boolean;
        readonly Init: boolean | null;
        readonly Tmpfs?: Record<string, string>;
    };
    readonly State: {
        readonly Running: boolean;
        readonly ExitCode: number;
        readonly Error: string;
        readonly Health?: { readonly Status: string; readonly Log: { readonly Output: string }[] };
    };
}

const WAIT_SECONDS = 60;

/**
 * Inputs of a container that the provider changes in place: those without `willReplaceOnChanges` in
 * https://github.com/pulumi/pulumi-docker, provider/cmd/pulumi-resource-docker/schema.json. Of networks and volumes there
 * is none that the program uses.
 */
const CONTAINER_IN_PLACE = [
    ...["attach", "containerReadRefreshTimeoutMilliseconds", "cpuPeriod", "cpuQuota", "cpuSet", "cpuShares"],
    ...["destroyGraceSeconds", "deviceReadBps", "deviceReadIops", "deviceWriteBps", "deviceWriteIops", "healthcheck"],
    ...["init", "logs", "maxRetryCount", "memory", "memoryReservation", "memorySwap", "mustRun", "removeVolumes"],
    ...["restart", "rm", "start", "tmpfs", "wait", "waitTimeout"],
];

/**
 * The provider. Its own code is https://github.com/kreuzwerker/terraform-provider-docker.
 *
 * @param env Has the PATH with the rehearsal's own `ssh`, and the file of the CAs that play the public ones.
 */
export function dockerProvider(env: NodeJS.ProcessEnv, tell: (line: string) => void): Provider {
    const engine = ({ provider }: Wanted) => new Docker(provider.host, env);
    const network: StandIn = {
        create: async (wanted) => {
            const { name, ...rest } = wanted.inputs;
            refuseUnknown(wanted, rest);
            await engine(wanted).run(["network", "create", name]);
            return { id: name, outputs: { name } };
        },
        read: async (old) =>
            (await engine(old).inspect("network", old.id)) ? { inputs: { name: old.id } } : undefined,
        remove: async (old) => void (await engine(old).run(["network", "rm", old.id])),
        autonamed: "name",
    };
    const volume: StandIn = {
        create: async (wanted) => {
            const { name, ...rest } = wanted.inputs;
            refuseUnknown(wanted, rest);
            await engine(wanted).run(["volume", "create", name]);
            return { id: name, outputs: { name, mountpoint: "" } };
        },
        read: async (old) => ((await engine(old).inspect("volume", old.id)) ? { inputs: { name: old.id } } : undefined),
        remove: async (old) => void (await engine(old).run(["volume", "rm", old.id])),
        autonamed: "name",
    };
    const remoteImage: StandIn = {
        create: async (wanted) => {
            const { name, keepLocally: _, ...rest } = wanted.inputs;
            refuseUnknown(wanted, rest);
            const imageId = await pull(engine(wanted), name, wanted.provider, tell);
            return { id: `${imageId}${name}`, outputs: { imageId, repoDigest: "" } };
        },
        inPlace: ["build", "forceRemove", "keepLocally"],
        read: async (old) => {
            const image = await engine(old).inspect<{ Id: string }>("image", old.inputs.name);
            return image && { outputs: { imageId: image.Id } };
        },
        remove: async (old) => {
            if (!old.inputs.keepLocally) await engine(old).run(["image", "rm", old.inputs.name]);
        },
    };
    const container: StandIn = {
        create: (wanted) => createContainer(engine(wanted), wanted, publicCas(env)),
        inPlace: CONTAINER_IN_PLACE,
        update: async (wanted, old) => {
            await updateContainer(engine(wanted), wanted, old);
            return old;
        },
        read: async (old) => {
            const found = await engine(old).inspect<ContainerState>("container", old.id);
            return found && { inputs: seen(found, old), outputs: { exitCode: found.State.ExitCode } };
        },
        remove: async (old) => {
            const { attach, destroyGraceSeconds = 0 } = old.inputs;
            if (!attach) await engine(old).attempt(["stop", "--time", String(destroyGraceSeconds), old.id]);
            await engine(old).run(["rm", "--force", "--volumes", old.id]);
        },
        autonamed: "name",
    };
    return {
        package: "docker",
        standIns: {
            "docker:index/network:Network": network,
            "docker:index/volume:Volume": volume,
            "docker:index/remoteImage:RemoteImage": remoteImage,
            "docker:index/container:Container": container,
        },
    };
}

/**
 * What the provider sees of a container, of the inputs that it was made with: resourceDockerContainerRead. One that
 * should run and does not is shown as one that need not, so that the next update starts it.
 */
function seen({ Name, Image, Config, HostConfig, State }: ContainerState, { inputs }: Remembered): Properties {
    // The command line takes one word for the entrypoint, so that the others were made a part of the command.
    const entrypointArguments = Math.max((inputs.entrypoints?.length ?? 0) - 1, 0);
    const all: Properties = {
        name: Name.replace("/", ""),
        image: Image,
        command: (Config.Cmd ?? []).slice(entrypointArguments),
        user: Config.User,
        hostname: Config.Hostname,
        restart: HostConfig.RestartPolicy.Name,
        readOnly: HostConfig.ReadonlyRootfs,
        init: HostConfig.Init ?? false,
        tmpfs: HostConfig.Tmpfs ?? {},
    };
    const own = Object.fromEntries(Object.entries(all).filter(([name]) => inputs[name] !== undefined));
    return !State.Running && inputs.mustRun !== false ? { ...own, mustRun: false } : own;
}

/** resourceDockerContainerUpdate: all other inputs that change in place are noted, and nothing is done. */
async function updateContainer(docker: Docker, { inputs }: Wanted, { id, inputs: before }: Remembered): Promise<void> {
    if (before.mustRun === false && inputs.mustRun !== false) await docker.run(["start", id]);
    const { restart = "no", memory, cpuShares } = inputs;
    const limits = [
        ...(memory === undefined ? [] : ["--memory", `${memory}m`, "--memory-swap", "-1"]),
        ...(cpuShares === undefined ? [] : ["--cpu-shares", String(cpuShares)]),
    ];
    if (restart !== (before.restart ?? "no") || memory !== before.memory || cpuShares !== before.cpuShares)
        await docker.run(["update", "--restart", restart, ...limits, id]);
}

/** As the provider does: what is there already is taken, else it is pulled with the provider's own credentials. */
async function pull(docker: Docker, name: string, provider: Properties, tell: (line: string) => void): Promise<string> {
    const present = await docker.inspect<{ Id: string }>("image", name);
    if (present) return present.Id;
    await withTemporaryFolder("login", async (folder) => {
        const logins = ((provider.registryAuth ?? []) as Properties[]).map(
            ({ address, username, password }: Properties) => [
                address,
                { auth: Buffer.from(`${username}:${password}`).toString("base64") },
            ],
        );
        writeFileSync(join(folder, "config.json"), JSON.stringify({ auths: Object.fromEntries(logins) }), {
            mode: 0o600,
        });
        const layers = { known: 0, complete: 0 };
        const onLine = (line: string) => {
            if (/: (Pulling fs layer|Already exists)/.test(line)) layers.known += 1;
            if (!/: (Pull complete|Already exists)/.test(line)) return;
            layers.complete += 1;
            // Layers that are there come before the others are all named.
            if (line.includes("Pull complete"))
                tell(barLine(`pulling ${name}`, layers.complete, layers.known, "layers"));
        };
        await docker.run(["pull", name], { env: { ...docker.env, DOCKER_CONFIG: folder }, onLine });
    });
    const pulled = await docker.inspect<{ Id: string }>("image", name);
    if (!pulled) throw new Error(`${name} was pulled and is not there`);
    return pulled.Id;
}

/** The CAs that play the public ones, PEM. Images elsewhere have theirs in them; here each rehearsal has others. */
function publicCas({ NODE_EXTRA_CA_CERTS: file }: NodeJS.ProcessEnv): string {
    if (file === undefined) throw new Error("the rehearsal's environment has no NODE_EXTRA_CA_CERTS");
    return readFileSync(file, "utf8");
}

async function createContainer(docker: Docker, wanted: Wanted, cas: string) {
    const { inputs } = wanted;
    const { name } = inputs;
    // A volume of its own, which goes with it: Docker copies nothing into the file system of a read-only container.
    const casVolume = ["--volume", dirname(PUBLIC_CAS)];
    const id = (await docker.run(["create", "--name", name, ...casVolume, ...createArguments(wanted)])).trim();
    try {
        // As the provider does it: into the created container, before it starts.
        const trusted = await tarOf([{ file: basename(PUBLIC_CAS), content: cas }]);
        await docker.run(["cp", "-", `${id}:${dirname(PUBLIC_CAS)}`], { input: trusted });
        if (inputs.uploads) await docker.run(["cp", "-", `${id}:/`], { input: await tarOf(inputs.uploads) });
        if (inputs.attach) {
            const ran = await docker.attempt(["start", "--attach", id]);
            const { State } = await state(docker, id);
            if (State.ExitCode !== ran.code) throw new Error(`${name} could not be started: ${ran.stderr.trim()}`);
            return { id, outputs: { name, exitCode: State.ExitCode, containerLogs: ran.stdout + ran.stderr } };
        }
        await docker.run(["start", id]);
        if (inputs.wait) await healthy(docker, name, id, inputs.waitTimeout ?? WAIT_SECONDS);
        const { State } = await state(docker, id);
        if (inputs.mustRun !== false && !State.Running) {
            throw new Error(`Container ${name} exited after creation:\n${await logs(docker, id)}`);
        }
        return { id, outputs: { name, exitCode: State.ExitCode } };
    } catch (error) {
        // The provider has entered the id by then, so that Pulumi's bridge reports a container that exists.
        throw new HalfMade((error as Error).message, { id, outputs: { name } });
    }
}

/** Each input that this stand-in knows as arguments of `docker create`; one that it does not know is an error. */
function createArguments(wanted: Wanted): string[] {
    const { image, command = [], entrypoints, ...inputs } = wanted.inputs;
    const args: string[] = [];
    const given = (key: string, value: string | number | undefined) => {
        if (value !== undefined) args.push(`--${key}`, String(value));
    };
    const each = <T>(list: T[] | undefined, key: string, text: (item: T) => string) => {
        for (const item of list ?? []) given(key, text(item));
    };
    const { name: _, uploads, attach, logs, mustRun, wait, waitTimeout, rm, start, ...rest } = inputs;
    const {
        envs,
        restart,
        hostname,
        user,
        workingDir,
        stopSignal,
        stopTimeout,
        init,
        readOnly,
        memory,
        networksAdvanced,
        dnsOpts,
        ports,
        volumes,
        labels,
        healthcheck,
        hosts,
        logDriver,
        logOpts,
        tmpfs,
        capabilities,
        securityOpts,
        cpus,
        destroyGraceSeconds,
        ...unknown
    } = rest;
    refuseUnknown(wanted, unknown);
    each(envs, "env", (text: string) => text);
    given("restart", restart);
    given("hostname", hostname);
    given("user", user);
    given("workdir", workingDir);
    given("stop-signal", stopSignal);
    given("stop-timeout", stopTimeout);
    if (init) args.push("--init");
    if (readOnly) args.push("--read-only");
    given("memory", memory === undefined ? undefined : `${memory}m`);
    if (networksAdvanced?.length > 1) throw new Error(`${wanted.name}: the stand-in joins one network only`);
    each(networksAdvanced, "network", ({ name }: Properties) => name);
    each(networksAdvanced?.[0]?.aliases, "network-alias", (alias: string) => alias);
    each(dnsOpts, "dns-option", (option: string) => option);
    each(
        ports,
        "publish",
        ({ ip = "0.0.0.0", external, internal, protocol = "tcp" }: Properties) =>
            `${ip}:${external ?? ""}:${internal}/${protocol}`,
    );
    each(
        volumes,
        "volume",
        ({ volumeName, hostPath, containerPath, readOnly }: Properties) =>
            `${volumeName ?? hostPath}:${containerPath}${readOnly ? ":ro" : ""}`,
    );
    each(labels, "label", ({ label, value }: Properties) => `${label}=${value}`);
    each(hosts, "add-host", ({ host, ip }: Properties) => `${host}:${ip}`);
    given("log-driver", logDriver);
    each(Object.entries(logOpts ?? {}), "log-opt", ([key, value]) => `${key}=${value}`);
    each(Object.entries(tmpfs ?? {}), "tmpfs", ([path, options]) => (options ? `${path}:${options}` : path));
    given("cpus", cpus);
    each(securityOpts, "security-opt", (option: string) => option);
    each(capabilities?.adds, "cap-add", (capability: string) => capability);
    each(capabilities?.drops, "cap-drop", (capability: string) => capability);
    if (healthcheck) args.push(...healthArguments(wanted, healthcheck));
    const [entrypoint, ...entrypointArguments] = entrypoints ?? [];
    given("entrypoint", entrypoint);
    return [...args, image, ...entrypointArguments, ...command];
}

function healthArguments(
    wanted: Wanted,
    { tests, interval, timeout, retries, startPeriod, ...unknown }: Properties,
): string[] {
    refuseUnknown(wanted, unknown);
    const [kind, ...words] = tests as string[];
    // The command line has only the shell form: an exec form is quoted word by word.
    const command =
        kind === "CMD-SHELL" ? words.join(" ") : words.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(" ");
    const settings = { cmd: command, interval, timeout, retries, "start-period": startPeriod };
    return Object.entries(settings).flatMap(([key, value]) =>
        value === undefined ? [] : [`--health-${key}`, String(value)],
    );
}

async function tarOf(uploads: Properties[]): Promise<Buffer> {
    const tar = pack();
    for (const { file, content, contentBase64, permissions, executable, ...unknown } of uploads) {
        if (Object.keys(unknown).length > 0)
            throw new Error(`upload of ${file}: the stand-in does not know ${Object.keys(unknown).join(", ")}`);
        const bytes = contentBase64 === undefined ? Buffer.from(content ?? "") : Buffer.from(contentBase64, "base64");
        const mode = Number.parseInt(permissions ?? (executable ? "0744" : "0644"), 8);
        tar.entry({ name: file.replace(/^\//, ""), mode, size: bytes.length }, bytes);
    }
    tar.finalize();
    const chunks: Buffer[] = [];
    for await (const chunk of tar as unknown as AsyncIterable<Buffer>) chunks.push(chunk);
    return Buffer.concat(chunks);
}

async function healthy(docker: Docker, name: string, id: string, seconds: number): Promise<void> {
    let last = "";
    await eventually(`container ${name} is healthy`, seconds, async () => {
        const { State } = await state(docker, id);
        last = State.Health?.Log.at(-1)?.Output ?? "";
        if (!State.Running) throw new Error(`it is not running:\n${await logs(docker, id)}`);
        return State.Health?.Status === "healthy" ? true : undefined;
    }).catch(async (error: Error) => {
        throw new Error(`${error.message}\n${last}\n${await logs(docker, id)}`);
    });
}

async function state(docker: Docker, id: string): Promise<ContainerState> {
    const found = await docker.inspect<ContainerState>("container", id);
    if (!found) throw new Error(`container ${id} is gone`);
    return found;
}

async function logs(docker: Docker, id: string): Promise<string> {
    const { stdout, stderr } = await docker.attempt(["logs", "--tail", "20", id]);
    return `${stdout}${stderr}`.trim();
}

function refuseUnknown({ name, type }: Wanted, inputs: Properties): void {
    const unknown = Object.keys(inputs).filter((key) => inputs[key] !== undefined);
    if (unknown.length > 0) throw new Error(`${name}: the stand-in for ${type} does not know ${unknown.join(", ")}`);
}
