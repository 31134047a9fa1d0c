/** An archive of Pulumi and its provider plugins, for an office that cannot download them. */
import { createHash } from "node:crypto";
import { createReadStream, createWriteStream, readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { type Pack, pack } from "tar-stream";
import { fetch } from "undici";
import { say } from "../language/say";
import { openForWriting } from "../rehearsal/command-line";
import { ask, reason } from "./ask";
import { cli, type Download, type Platform, plugins } from "./plugins";
import type { Services, Surroundings } from "./surroundings";
import { withTemporaryFolder } from "./temporary-folder";

const INSTALL = join(__dirname, "install.sh");

/** A line a file: its name, then where it can be had. */
export function listPlugins(services: Services, platform: Platform): string[] {
    return downloads(services, platform).map(({ file, urls }) => `${file}  ${urls.join("  ")}`);
}

/**
 * Downloads everything into one tar: the files, `SHA256SUMS` and `install.sh`.
 *
 * @throws Error that names the file that no source has, or whose checksum is not the published one.
 */
export async function fetchPlugins(
    where: Surroundings,
    platform: Platform,
    archive: string,
    tell: (line: string) => void,
): Promise<void> {
    const fd = openForWriting("fetch-plugins", archive);
    const tar = pack();
    let unwritten: Error | undefined;
    const written = pipeline(tar, createWriteStream(archive, { fd })).catch((error: Error) => {
        unwritten = new Error(say("{archive} cannot be written: {message}", { archive, message: error.message }));
    });
    try {
        await withTemporaryFolder("plugins", (folder) => fillArchive(where, platform, tar, folder, tell));
        tar.finalize();
        await written;
        if (unwritten) throw unwritten;
        tell(say("{archive}: unpack it on the other machine and run install.sh there", { archive }));
    } catch (error) {
        // A disk that is full ends the downloads as well, each with an error that only says that it was ended.
        const cause = unwritten ?? error;
        tar.destroy();
        await written;
        // Not a device that somebody writes to.
        if (statSync(archive, { throwIfNoEntry: false })?.isFile()) rmSync(archive);
        throw cause;
    }
}

async function fillArchive(
    where: Surroundings,
    platform: Platform,
    tar: Pack,
    folder: string,
    tell: (line: string) => void,
): Promise<void> {
    const sums: string[] = [];
    const wanted = downloads(where.services, platform);
    for (const [index, download] of wanted.entries()) {
        const { file } = download;
        const path = join(folder, file);
        const sum = await fetchOne(where, download, path);
        const published = await publishedSum(where, download);
        if (published !== undefined && published !== sum) {
            throw new Error(
                say("{file} is not what was published: its SHA-256 is {sum} in place of {published}", {
                    file,
                    sum,
                    published,
                }),
            );
        }
        sums.push(`${sum}  ${file}\n`);
        const size = statSync(path).size;
        await pipeline(createReadStream(path), tar.entry({ name: file, size }));
        rmSync(path);
        const place = `${index + 1}/${wanted.length}`;
        const done = { place, file, size: (size / 1e6).toFixed(1) };
        tell(
            published === undefined
                ? say("{place}  {file}  {size} MB, no checksum could be had to compare", done)
                : say("{place}  {file}  {size} MB, checksum as published", done),
        );
    }
    tar.entry({ name: "SHA256SUMS" }, sums.join(""));
    tar.entry({ name: "install.sh", mode: 0o755 }, readFileSync(INSTALL, "utf8"));
}

function downloads(services: Services, platform: Platform): Download[] {
    return [cli(services, platform), ...plugins(services, platform)];
}

/** The SHA-256 of what was written to `path`. */
async function fetchOne(where: Surroundings, { file, urls }: Download, path: string): Promise<string> {
    const problems: string[] = [];
    for (const url of urls) {
        try {
            return await fetchFrom(where, url, path);
        } catch (error) {
            problems.push(say("{host}: {message}", { host: new URL(url).host, message: reason(error, where.seconds) }));
        }
    }
    throw new Error(say("{file} cannot be downloaded: {problems}", { file, problems: problems.join("; ") }));
}

async function fetchFrom({ dispatcher, seconds }: Surroundings, url: string, path: string): Promise<string> {
    // The time is for the next bytes to come, not for the whole: these are large files.
    const stalled = new AbortController();
    const timer = setTimeout(() => stalled.abort(), seconds * 1000);
    const hash = createHash("sha256");
    const counted = new Transform({
        transform(chunk, _, done) {
            timer.refresh();
            hash.update(chunk);
            done(null, chunk);
        },
    });
    try {
        const answer = await fetch(url, { dispatcher, signal: stalled.signal });
        if (answer.status !== 200 || !answer.body) throw new Error(say("answers {status}", { status: answer.status }));
        await pipeline(Readable.fromWeb(answer.body), counted, createWriteStream(path));
        return hash.digest("hex");
    } finally {
        clearTimeout(timer);
    }
}

/**
 * The checksum that GitHub tells of a release's file, or undefined where it does not answer or has none.
 *
 * Source: https://docs.github.com/en/rest/releases/releases (`assets[].digest`)
 */
async function publishedSum(where: Surroundings, { release, file }: Download): Promise<string | undefined> {
    const answer = await ask(where, { url: release }).catch(() => undefined);
    if (answer?.status !== 200) return undefined;
    const { assets = [] } = JSON.parse(answer.text) as { assets?: { name: string; digest?: string | null }[] };
    return assets.find(({ name }) => name === file)?.digest?.replace(/^sha256:/, "");
}
