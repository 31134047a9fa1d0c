/** Installs what the rehearsal and the tests need on a Debian machine as root; elsewhere says exactly what is missing. */
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, openSync } from "node:fs";
import { join } from "node:path";
import { DEBIAN } from "../components/overseas/user-data";
import { type Debian, dockerPackages } from "./debian";
import { diskNeeds, refuseFullDisks } from "./disk";
import { Docker } from "./docker";
import { answers, refuseFarEngine } from "./engine";
import { makeGoPrograms } from "./go-programs";
import { type BaseImages, KEEP, makeBaseImages, makeVm } from "./images";
import { interruptible } from "./interruption";
import { waitForLock } from "./lock";
import { Display } from "./progress";
import { makePulumi, type PulumiRoot } from "./pulumi";
import { attempt, eventually, run } from "./run";

/** Programs by the Debian package that brings them. */
const packagesByProgram = (): Readonly<Record<string, readonly string[]>> => ({
    dockerd: [...dockerPackages(), "iptables"],
    docker: dockerPackages(),
    nginx: ["nginx-light", "libnginx-mod-http-js"],
    mmdebstrap: ["mmdebstrap"],
    openssl: ["openssl"],
    busybox: ["busybox-static"],
    ssh: ["openssh-client"],
    ip: ["iproute2"],
    go: ["golang-go"],
    curl: ["curl"],
    skopeo: ["skopeo"],
    lego: ["lego"],
    nft: ["nftables"],
    // The far link.
    python3: ["python3"],
    // Distribution 2.8: the tests start it with the configuration for that version.
    "docker-registry": ["docker-registry"],
});
/** Wanted as programs: as services, which Debian starts at once, they would take this machine's ports 80 and 5000. */
const NOT_AS_SERVICES = ["nginx", "docker-registry"];
/** Two that install packages and build images at a time would spoil each other's. */
const SETUP_LOCK = process.env.DOCKERMIRROR_SETUP_LOCK ?? "dockermirror-set-up";
const SYSTEMD = "/run/systemd/system";
const NJS_MODULE = "/usr/lib/nginx/modules/ngx_http_js_module.so";
const DOCKERD_SECONDS = 60;

/** What a rehearsal is made with. */
export interface Made {
    readonly base: BaseImages;
    readonly pulumi: PulumiRoot;
}

/**
 * Makes this machine ready; tells what it does. Nothing is done twice.
 *
 * @param debian Of the machines overseas.
 * @param others Releases of which images of such machines are wanted too.
 * @throws Error before anything is made where this cannot become right, and `Interrupted` at Ctrl-C with nothing left over.
 */
export async function setup(
    tell: (line: string) => void,
    debian: Debian = DEBIAN,
    others: readonly Debian[] = [],
): Promise<Made> {
    await refuseFarEngine(process.env);
    return interruptible(tell, (quietly) => prepare(quietly, debian, others));
}

async function prepare(tell: (line: string) => void, debian: Debian, others: readonly Debian[]): Promise<Made> {
    const lock = await waitForLock(SETUP_LOCK, ({ pid, since }) => {
        tell(`waiting for another set-up, which runs since ${since}, pid ${pid}`);
    });
    try {
        refuseFullDisks(await diskNeeds(new Docker(), debian, others));
        await installPackages(tell);
        await startDocker(tell);
        const docker = new Docker();
        const [base, pulumi] = await Promise.all([
            makeBaseImages(docker, tell, debian),
            // Each build takes all processors.
            makeGoPrograms(tell).then(() => makePulumi(tell)),
            ...others.map((other) => makeVm(docker, tell, other)),
        ]);
        return { base, pulumi };
    } finally {
        await lock.release();
    }
}

async function installPackages(tell: (line: string) => void): Promise<void> {
    const has = async (program: string) => (await attempt("sh", ["-c", 'command -v "$0"', program])).code === 0;
    const packagesOf = packagesByProgram();
    const missing: string[] = [];
    for (const program of Object.keys(packagesOf)) if (!(await has(program))) missing.push(program);
    const services = missing.filter((program) => NOT_AS_SERVICES.includes(program));
    if (!missing.includes("nginx") && !existsSync(NJS_MODULE)) missing.push("nginx");
    if (missing.length === 0) return;
    const packages = [...new Set(missing.flatMap((program) => packagesOf[program] ?? []))];
    if (process.getuid?.() !== 0 || !(await has("apt-get"))) {
        throw new Error(
            `missing on this machine: ${missing.join(", ")}. They are installed for you on Debian as root; here, install them ` +
                `yourself (Debian's packages are ${packages.join(", ")}).`,
        );
    }
    tell(`installing ${packages.join(", ")}`);
    const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
    await run("apt-get", ["update", "-qq"], { env });
    await run("apt-get", ["install", "-y", "-qq", "--no-install-recommends", ...packages], { env });
    if (existsSync(SYSTEMD) && services.length > 0) await run("systemctl", ["disable", "--now", ...services]);
}

/** The engine runs already, or is started the way this machine starts services. */
async function startDocker(tell: (line: string) => void): Promise<void> {
    const docker = new Docker();
    if (await answers(docker)) return;
    tell("starting the Docker engine");
    if (existsSync(SYSTEMD)) {
        await run("systemctl", ["start", "docker"]);
    } else {
        mkdirSync(KEEP, { recursive: true });
        const log = openSync(join(KEEP, "dockerd.log"), "a");
        // It stays when the rehearsal ends, as a service would.
        spawn("dockerd", [], { detached: true, stdio: ["ignore", log, log] }).unref();
    }
    await eventually(`the Docker engine answers (its log: ${join(KEEP, "dockerd.log")})`, DOCKERD_SECONDS, async () =>
        (await answers(docker)) ? true : undefined,
    );
}

if (require.main === module) {
    const display = new Display();
    setup((line) => display.tell(line)).catch((error: Error) => {
        console.error(error.message);
        process.exitCode = 1;
    });
}
