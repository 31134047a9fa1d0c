/**
 * The base images of the rehearsal, made from Debian packages, because nothing can be pulled where it runs:
 * `machine` (a Debian host: sshd, Docker, nginx, curl), `slim` (nginx and what node and registry need), and `vm`
 * (what a fresh cloud image is: systemd, cloud-init, sshd without host keys). A `vm` is of the release that is asked for;
 * the others are of this machine's own, because programs of this machine run in them.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { BASE_PACKAGES, DEBIAN } from "../components/overseas/user-data";
import { type Debian, dockerPackages, ownSuite, SUITES } from "./debian";
import type { Docker } from "./docker";
import { aptProxies, debianSources, sourceFiles } from "./package-sources";
import { barLine } from "./progress";
import { run } from "./run";

/** Where the rehearsal keeps what is dear to make: `<repository>/.rehearsal`. */
export const KEEP = join(__dirname, "..", ".rehearsal");
/** Where a container of the node image has the CAs that play the public ones; stand-ins/docker.ts lays them. */
export const PUBLIC_CAS = "/etc/ssl/rehearsal/ca.pem";

const slim = () => [
    ...["ca-certificates", "nginx-light", "libnginx-mod-http-js", "busybox-static", "libstdc++6", "libatomic1"],
    ...nodePackages(),
];
const machine = () => [
    ...slim(),
    ...["openssh-server", "curl", "iproute2", "iptables", ...dockerPackages(), "skopeo", "openssl", "procps", "sudo"],
];
const VM = [
    // What a made machine installs at its first boot: the rehearsal has no Debian archive to offer it then.
    ...BASE_PACKAGES,
    ...["systemd", "systemd-sysv", "libpam-systemd", "dbus", "openssh-server", "cloud-init", "python3-jsonschema"],
    ...["iproute2", "iputils-ping", "procps", "netbase", "logrotate"],
];
/** What a new user has by the README, `npm` and what is cloned with. */
const FRESH = ["ca-certificates", "git", "nodejs", "npm"];
const LEFT_OUT = ["doc", "man", "locale", "i18n", "info"].map((name) => `--dpkgopt=path-exclude=/usr/share/${name}/*`);

/** What a base image is made of. */
interface Recipe {
    readonly packages: () => readonly string[];
    /** A program that is run with the new root as its argument, when the packages are in it. */
    readonly finish?: string;
}

type ImageName = keyof BaseImages | "fresh";

const RECIPES: Readonly<Record<ImageName, Recipe>> = {
    slim: { packages: slim },
    machine: { packages: machine },
    vm: { packages: () => VM, finish: join(__dirname, "vm-image.sh") },
    fresh: { packages: () => FRESH },
};

/** Lines with which mmdebstrap (1.3) announces what it does, from choosing its mode to its success. */
const MMDEBSTRAP_STEPS = 14;

/** A base image: as a root file system on disk, and as an image of this machine's Docker. */
export interface BaseImage {
    readonly tar: string;
    readonly image: string;
}

/** What the rehearsal's containers and the Hub double's images are made of. */
export interface BaseImages {
    readonly slim: BaseImage;
    readonly machine: BaseImage;
    readonly vm: BaseImage;
}

/**
 * Makes what is missing of the base images; a few seconds when nothing is.
 *
 * @param debian Of the `vm`. @default what a machine that a stack makes gets
 */
export async function makeBaseImages(
    docker: Docker,
    tell: (line: string) => void,
    debian: Debian = DEBIAN,
): Promise<BaseImages> {
    const [slim, machine, vm] = await Promise.all([
        makeBase(docker, "slim", ownSuite(), tell),
        makeBase(docker, "machine", ownSuite(), tell),
        makeVm(docker, tell, debian),
    ]);
    return { slim, machine, vm };
}

/** The same for the `vm` alone. */
export function makeVm(docker: Docker, tell: (line: string) => void, debian: Debian): Promise<BaseImage> {
    return makeBase(docker, "vm", SUITES[debian], tell);
}

/** What a rehearsal needs of which machines have this release, and tests of further ones, made or not. */
export function baseImages(
    debian: Debian,
    others: readonly Debian[],
): (BaseImage & { readonly name: keyof BaseImages })[] {
    const own = (["slim", "machine"] as const).map((name) => ({ name, ...baseImage(name, ownSuite()) }));
    const vms = [debian, ...others].map((each) => ({ name: "vm" as const, ...baseImage("vm", SUITES[each]) }));
    return [...own, ...vms];
}

function baseImage(name: ImageName, suite: string): BaseImage {
    const { packages, finish } = RECIPES[name];
    const recipe = createHash("sha256")
        .update(JSON.stringify([suite, packages(), LEFT_OUT, ...(finish ? [readFileSync(finish, "utf8")] : [])]))
        .digest("hex")
        .slice(0, 12);
    return { tar: join(KEEP, `${name}-${recipe}.tar`), image: `dockermirror-rehearsal/${name}:${recipe}` };
}

/** A machine as a new user has it, before set-up: `npm run fresh`. */
export function makeFreshMachine(docker: Docker, tell: (line: string) => void): Promise<BaseImage> {
    return makeBase(docker, "fresh", SUITES[DEBIAN], tell);
}

async function makeBase(
    docker: Docker,
    name: ImageName,
    suite: string,
    tell: (line: string) => void,
): Promise<BaseImage> {
    const { tar, image } = baseImage(name, suite);
    const title = `base image ${name} (${suite})`;
    mkdirSync(KEEP, { recursive: true });
    if (!existsSync(tar)) await bootstrap(tar, suite, RECIPES[name], (...share) => tell(barLine(title, ...share)));
    if (!(await docker.inspect("image", image))) {
        tell(`${title}: importing`);
        await docker.run(["import", tar, image]);
    }
    return { tar, image };
}

async function bootstrap(
    tar: string,
    suite: string,
    { packages, finish }: Recipe,
    tell: (step: number, steps: number, what: string) => void,
): Promise<void> {
    const sources = `${tar}.${process.pid}.sources`;
    writeFileSync(sources, debianSources(sourceFiles(), ownSuite(), suite));
    // A set-up that is killed leaves its mmdebstrap running for a while: it must not write into another one's file.
    const earlier = readdirSync(KEEP).filter((name) => name.startsWith(basename(tar)) && name.endsWith(".unfinished"));
    for (const name of earlier) rmSync(join(KEEP, name));
    const unfinished = `${tar}.${process.pid}.unfinished`;
    const options = ["--variant=minbase", "--format=tar", `--include=${packages().join(",")}`, ...LEFT_OUT];
    if (finish) options.push(`--customize-hook=${finish}`);
    const steps = MMDEBSTRAP_STEPS + (finish ? 1 : 0);
    let step = 0;
    try {
        await run("mmdebstrap", [...options, '--aptopt=Apt::Install-Recommends "false"', suite, unfinished, sources], {
            env: { ...(await aptProxies(process.env)), ...process.env },
            onLine: (line) => {
                const [, what] = /^I: (.*)/.exec(line) ?? [];
                if (what === undefined || step === steps) return;
                step += 1;
                tell(step, steps, what);
            },
        });
        renameSync(unfinished, tar);
    } finally {
        for (const file of [unfinished, sources]) rmSync(file, { force: true });
    }
}

/**
 * What a `node` of this machine needs that runs in a container: Debian's own is a small program with a library, others are
 * linked to little more than libc.
 *
 * @param linked As ldd(1) tells it.
 */
export function nodePackages(
    linked = spawnSync("ldd", [process.execPath], { encoding: "utf8" }).stdout ?? "",
): string[] {
    const [, version] = /\blibnode\.so\.(\d+)/.exec(linked) ?? [];
    return version === undefined ? [] : [`libnode${version}`];
}
