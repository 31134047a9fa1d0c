/** What an office pulls, as its people would say it; read from the command line. */
import { readCommandLine, UsageShown } from "../rehearsal/command-line";

/** An office, or several alike. */
export interface Office {
    /** Machines that pull, in each office: CI runners, nodes of a cluster, people's own. */
    readonly machines: number;
    /** Pulls of each machine a day. A `docker pull`, or a container started with `--pull always`, is one. */
    readonly pulls: number;
    /** Of one image for one platform, compressed, as it crosses the network. */
    readonly imageBytes: number;
    /**
     * Share of pulls, 0 to 1, that find all of the image in the cache. A pull that does not is counted as if nothing of it
     * were there, base layers included, so that the real link has less to carry.
     */
    readonly hit: number;
    /** Layers of an image. */
    readonly layers: number;
    /** Offices alike, each with a cache and a link of its own, all on the same relays. */
    readonly offices: number;
}

const USAGE = `npm run plan -- --machines N --pulls N --image SIZE --hit SHARE [--layers N] [--offices N] [--json]

  --machines N   machines that pull, in each office
  --pulls N      pulls of each machine a day
  --image SIZE   of an image, compressed: 600MB, 1.2GB, 700MiB
  --hit SHARE    of pulls that the cache can answer alone, 0 to 1
  --layers N     layers of an image; default 10
  --offices N    offices alike, each with its own cache; default 1
  --json         the numbers as JSON
`;

const UNITS: Readonly<Record<string, number>> = {
    kb: 1e3,
    mb: 1e6,
    gb: 1e9,
    kib: 2 ** 10,
    mib: 2 ** 20,
    gib: 2 ** 30,
};

/**
 * The office that the arguments tell of.
 *
 * @throws UsageShown that tells every problem: the flag, what was got, what is allowed.
 */
export function readOffice(args: readonly string[]): { readonly office: Office; readonly json: boolean } {
    const { machines, pulls, image, hit, layers, offices, json } = readCommandLine(args, USAGE, {
        machines: { type: "string" },
        pulls: { type: "string" },
        image: { type: "string" },
        hit: { type: "string" },
        layers: { type: "string" },
        offices: { type: "string" },
        json: { type: "boolean" },
    });
    const problems: string[] = [];
    const read = (
        flag: string,
        text: string | undefined,
        allowed: string,
        parse: (text: string) => number | undefined,
    ): number => {
        const value = text === undefined ? undefined : parse(text);
        if (value !== undefined) return value;
        problems.push(`--${flag} must be ${allowed}, ${text === undefined ? "got nothing" : `got "${text}"`}`);
        return 0;
    };
    const office: Office = {
        machines: read("machines", machines, "a whole number from 1 such as 200", count),
        pulls: read("pulls", pulls, "a number above 0 such as 40, or 0.5 for one in two days", positive),
        imageBytes: read("image", image, "a size such as 600MB, 1.2GB or 700MiB", size),
        hit: read("hit", hit, "a share from 0 to 1 such as 0.9", share),
        layers: read("layers", layers ?? "10", "a whole number from 1 such as 10", count),
        offices: read("offices", offices ?? "1", "a whole number from 1", count),
    };
    if (problems.length > 0) throw new UsageShown(USAGE, problems.join("\n"));
    return { office, json: json === true };
}

function positive(text: string): number | undefined {
    const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : 0;
    return value > 0 ? value : undefined;
}

function count(text: string): number | undefined {
    const value = positive(text);
    return Number.isSafeInteger(value) ? value : undefined;
}

function share(text: string): number | undefined {
    return /^(0(\.\d+)?|1(\.0+)?)$/.test(text) ? Number(text) : undefined;
}

function size(text: string): number | undefined {
    const [, number = "", unit = ""] = /^([\d.]+)\s*([a-z]+)$/i.exec(text) ?? [];
    const factor = UNITS[unit.toLowerCase()];
    const value = positive(number);
    return factor === undefined || value === undefined ? undefined : Math.round(value * factor);
}
