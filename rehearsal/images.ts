/**
 * The base images of the rehearsal, made from Debian packages, because nothing can be pulled where it runs:
 * `machine` (a Debian host: sshd, Docker, nginx, curl) and `slim` (nginx and what node and registry need).
 */

import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createReadStream, existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Docker } from "./docker";
import { newGo } from "./go";
import { bar } from "./progress";
import { run } from "./run";

/** Where the rehearsal keeps what is dear to make: `<repository>/.rehearsal`. */
export const KEEP = join(__dirname, "..", ".rehearsal");
/** The registry binary, built from its Go module. */
export const REGISTRY_BINARY = join(KEEP, "registry");
const REGISTRY_MODULE = "github.com/distribution/distribution/v3/cmd/registry@v3.1.2";

const SUITE = "bookworm";
// Where this machine's own packages come from: no address of a mirror stands in this repository.
const SOURCES = ["/etc/apt/sources.list.d/debian.sources", "/etc/apt/sources.list"];
const SLIM = ["ca-certificates", "nginx-light", "libnginx-mod-http-js", "busybox-static", "libstdc++6", "libatomic1"];
const MACHINE = [
    ...SLIM,
    ...["openssh-server", "curl", "iproute2", "iptables", "docker.io", "skopeo", "openssl", "procps", "sudo"],
];
const LEFT_OUT = ["doc", "man", "locale", "i18n", "info"].map((name) => `--dpkgopt=path-exclude=/usr/share/${name}/*`);

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
}

/** Makes what is missing of the base images; a few seconds when nothing is. */
export async function makeBaseImages(docker: Docker, tell: (line: string) => void): Promise<BaseImages> {
    mkdirSync(KEEP, { recursive: true });
    const [slim, machine] = await Promise.all([
        makeBase(docker, "slim", SLIM, tell),
        makeBase(docker, "machine", MACHINE, tell),
    ]);
    return { slim, machine };
}

/** Builds registry 3.1 where there is none yet: about three minutes, once. */
export async function makeRegistryBinary(tell: (line: string) => void): Promise<void> {
    if (existsSync(REGISTRY_BINARY)) return;
    const building = join(KEEP, "registry-build");
    mkdirSync(building, { recursive: true });
    tell(`building ${REGISTRY_MODULE}, about three minutes, once`);
    await run(await newGo(), ["install", REGISTRY_MODULE], {
        env: { ...process.env, GOBIN: building, CGO_ENABLED: "0" },
    });
    renameSync(join(building, "registry"), REGISTRY_BINARY);
    rmSync(building, { recursive: true });
}

async function makeBase(
    docker: Docker,
    name: string,
    packages: string[],
    tell: (line: string) => void,
): Promise<BaseImage> {
    const recipe = createHash("sha256")
        .update(JSON.stringify([SUITE, packages, LEFT_OUT]))
        .digest("hex")
        .slice(0, 12);
    const tar = join(KEEP, `${name}-${recipe}.tar`);
    const image = `dockermirror-rehearsal/${name}:${recipe}`;
    if (!existsSync(tar)) await bootstrap(tar, packages, (share) => tell(`base image ${name}: ${share}`));
    if (!(await docker.inspect("image", image))) {
        tell(`base image ${name}: importing`);
        await importTar(tar, image);
    }
    return { tar, image };
}

async function bootstrap(tar: string, packages: string[], tell: (share: string) => void): Promise<void> {
    const sources = SOURCES.find((path) => existsSync(path));
    if (!sources) throw new Error(`no Debian package sources found; looked for ${SOURCES.join(", ")}`);
    const unfinished = `${tar}.unfinished`;
    const options = ["--variant=minbase", "--format=tar", `--include=${packages.join(",")}`, ...LEFT_OUT];
    let step = 0;
    await run("mmdebstrap", [...options, '--aptopt=Apt::Install-Recommends "false"', SUITE, unfinished, sources], {
        onLine: (line) => {
            const [, what] = /^I: (.*)/.exec(line) ?? [];
            if (what === undefined || step === MMDEBSTRAP_STEPS) return;
            step += 1;
            tell(`${bar(step, MMDEBSTRAP_STEPS)} ${what}`);
        },
    });
    renameSync(unfinished, tar);
}

async function importTar(tar: string, image: string): Promise<void> {
    const child = spawn("docker", ["import", "-", image], { stdio: ["pipe", "ignore", "inherit"] });
    createReadStream(tar).pipe(child.stdin);
    const [code] = await once(child, "close");
    if (code !== 0) throw new Error(`docker import ${image} ended with ${code}`);
}
