/**
 * Where this machine's packages of Debian come from: the mirror that its own apt uses, for the rehearsal's images too. No
 * address of a mirror stands in this repository. What both formats mean: sources.list(5).
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { extname, join } from "node:path";
import { attempt } from "./run";

/** A file of package sources; the end of its name says in which format it is. */
export interface SourceFile {
    readonly name: string;
    readonly text: string;
}

/** A source by the names of its fields in lower case, as deb822 has them. */
type Fields = ReadonlyMap<string, string>;

/** apt passes by files of other names: sources.list(5), "SOURCES.LIST.D". */
const READ_BY_APT = /^[A-Za-z0-9_.-]+\.(list|sources)$/;
/** Options of the one-line format whose field in deb822 has another name: sources.list(5), "Options". */
const FIELDS: Readonly<Record<string, string>> = { arch: "architectures", lang: "languages", target: "targets" };
const OPERATORS: Readonly<Record<string, string>> = { "+": "-add", "-": "-remove" };
/** Names of a suite that do not say which release it is. */
const MOVING = ["stable", "oldstable", "oldoldstable", "testing", "unstable", "sid"];
/** What an image is made of: the release, its corrections and its security upgrades. No backports. */
const PARTS = ["", "-updates", "-security"];

/** The files that apt reads on this machine. */
export function sourceFiles(folder = "/etc/apt"): SourceFile[] {
    const parts = join(folder, "sources.list.d");
    const names = existsSync(parts) ? readdirSync(parts).filter((name) => READ_BY_APT.test(name)) : [];
    return [join(folder, "sources.list"), ...names.sort().map((name) => join(parts, name))]
        .filter((name) => existsSync(name))
        .map((name) => ({ name, text: readFileSync(name, "utf8") }));
}

/**
 * Debian's own packages of a release, from wherever this machine's come from, in deb822. Sources of other vendors are left
 * out, and what apt does not fetch over a network: a medium is not always there.
 *
 * @param own The release of the machine that has the files, as package sources call it.
 * @param wanted The release that is wanted.
 * @throws Error when there is none.
 */
export function debianSources(files: readonly SourceFile[], own: string, wanted: string): string {
    const suites = new Map(
        [own, ...MOVING].flatMap((name) => PARTS.map((part) => [name + part, wanted + part] as const)),
    );
    const usable = files.flatMap(parsed).flatMap((fields) => {
        const words = (field: string) => fields.get(field)?.split(/\s+/).filter(Boolean) ?? [];
        const uris = words("uris").filter((uri) => /^[a-z0-9+.-]+:/i.test(uri) && !/^(cdrom|file|copy):/i.test(uri));
        const found = [...new Set(words("suites").flatMap((suite) => suites.get(suite) ?? []))];
        const isUsed = words("types").includes("deb") && words("components").includes("main");
        const isOn = !/^\s*(no|false|without|off|disable|0)$/i.test(fields.get("enabled") ?? "");
        if (!isUsed || !isOn || uris.length === 0 || found.length === 0) return [];
        const { enabled: _, ...others } = Object.fromEntries(fields);
        return [{ ...others, types: "deb", uris: uris.join(" "), suites: found.join(" "), components: "main" }];
    });
    // Other vendors may call their suites and components as Debian does, but have keys and addresses of their own.
    const sources = preferred(preferred(usable, isSignedByDebian), ({ uris }) => /debian/i.test(uris));
    if (sources.length === 0) {
        const looked = files.map(({ name }) => name).join(", ") || "/etc/apt";
        throw new Error(
            `this machine's package sources have none for Debian's release ${own}, component main, over a network, so that ` +
                `none is known for ${wanted}; looked into ${looked}. What apt needs for it: man sources.list`,
        );
    }
    return `${sources.map((source) => `${Object.entries(source).map(rendered).join("\n")}\n`).join("\n")}`;
}

/** The variables by which apt goes through the proxy that apt.conf(5) names: mmdebstrap's apt reads only its own configuration. */
export async function aptProxies(env: NodeJS.ProcessEnv): Promise<NodeJS.ProcessEnv> {
    const names = ["http", "https"];
    const format = ["--format", "%f %v%n", ...names.map((name) => `Acquire::${name}::Proxy`)];
    const { code, stdout } = await attempt("apt-config", ["dump", ...format], { env }).catch(() => ({
        code: 1,
        stdout: "",
    }));
    if (code !== 0) return {};
    const set = names.flatMap((name) => {
        const [, proxy = ""] = new RegExp(`^Acquire::${name}::Proxy (\\S+)$`, "im").exec(stdout) ?? [];
        return proxy === "" || proxy === "DIRECT" ? [] : [[`${name}_proxy`, proxy]];
    });
    return Object.fromEntries(set);
}

function isSignedByDebian({ "signed-by": key = "" }: Readonly<Record<string, string>>): boolean {
    return key === "" || key.includes("debian-archive");
}

/** Those of which something holds, or all where it holds of none. */
function preferred<T>(all: readonly T[], holds: (each: T) => boolean): readonly T[] {
    return all.some(holds) ? all.filter(holds) : all;
}

function rendered([name, value]: readonly [string, string]): string {
    return `${name[0]?.toUpperCase()}${name.slice(1)}: ${value}`;
}

function parsed({ name, text }: SourceFile): Fields[] {
    return extname(name) === ".sources" ? ofParagraphs(text) : text.split("\n").flatMap(ofLine);
}

function ofParagraphs(text: string): Fields[] {
    const lines = text.split("\n").filter((line) => !line.startsWith("#"));
    return lines
        .join("\n")
        .split(/\n[ \t]*\n/)
        .map((paragraph) => {
            const fields = paragraph.matchAll(/^([^\s:]+):[ \t]*(.*(?:\n[ \t].*)*)/gm);
            return new Map([...fields].map(([, field = "", value = ""]) => [field.toLowerCase(), value.trimEnd()]));
        })
        .filter((fields) => fields.size > 0);
}

function ofLine(line: string): Fields[] {
    const [, types = "", options = "", uris = "", suites = "", components = ""] =
        /^\s*(deb|deb-src)\s+(?:\[([^\]]*)\]\s+)?((?:\[[^\]]*\]|\S)+)\s+(\S+)([^#]*)/.exec(line) ?? [];
    if (types === "") return [];
    const set = [...options.matchAll(/([^\s=+-]+(?:-[^\s=+-]+)*)([+-]?)=("[^"]*"|\S+)/g)].map(
        ([, option = "", operator = "", value = ""]) => {
            const field = option.toLowerCase();
            const name = (FIELDS[field] ?? field) + (OPERATORS[operator] ?? "");
            return [name, value.replaceAll('"', "").replaceAll(",", " ")] as const;
        },
    );
    return [new Map([...Object.entries({ types, uris, suites, components }), ...set])];
}
