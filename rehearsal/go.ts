/** A Go that is new enough, also where the distribution's is not. */
import { chmodSync, readdirSync } from "node:fs";
import { arch } from "node:os";
import { join } from "node:path";
import { run } from "./run";

/** From this version on Go fetches by itself the newer toolchain that a module asks for. */
const FETCHES_TOOLCHAINS = [1, 21];
/** What an older Go is replaced by: https://go.dev/doc/toolchain, "Downloading toolchains". */
const TOOLCHAIN = "go1.26.8";
const ARCHITECTURES: Readonly<Record<string, string>> = { x64: "amd64", arm64: "arm64" };

/** The path of a `go` that can build modules which need a new one. Downloads a toolchain, once, when the machine's is old. */
export async function newGo(): Promise<string> {
    const [, major = "0", minor = "0"] = /go(\d+)\.(\d+)/.exec(await run("go", ["version"])) ?? [];
    const [wantedMajor = 0, wantedMinor = 0] = FETCHES_TOOLCHAINS;
    if (Number(major) > wantedMajor || Number(minor) >= wantedMinor) return "go";
    const platform = `linux-${ARCHITECTURES[arch()] ?? arch()}`;
    const module = `golang.org/toolchain@v0.0.1-${TOOLCHAIN}.${platform}`;
    const { Dir: folder } = JSON.parse(await run("go", ["mod", "download", "-json", module])) as { Dir: string };
    // Archives of modules have no mode bits, and an old Go does not know that this one needs them.
    for (const programs of [join(folder, "bin"), join(folder, "pkg", "tool", platform.replace("-", "_"))]) {
        for (const program of readdirSync(programs)) chmodSync(join(programs, program), 0o755);
    }
    return join(folder, "bin", "go");
}
