/** The machine with Docker at home, asked as @pulumi/docker asks it: by the user's own ssh and the docker CLI over there. */
import { quote } from "../components/shell";
import { say } from "../language/say";
import type { Ran } from "../rehearsal/run";
import { type Check, Failure, Remark } from "./finding";
import { sshAdvice } from "./ssh-advice";
import type { Surroundings } from "./surroundings";

/** As components/onprem/uplink.ts makes it. */
const UPLINK = "dockermirror-uplink";
const STATUS = "fetch('http://127.0.0.1:5000/status').then((answer) => answer.text()).then(console.log)";

/** Of timeout(1). */
const TIMED_OUT = 124;

/** The parts of the uplink's `/status` that are looked at here. */
interface UplinkStatus {
    readonly relays: readonly {
        readonly name: string;
        readonly condition: string;
        /** What each upstream does through it; an uplink of 0.3.0 does not say. */
        readonly upstreams?: Readonly<Record<string, { readonly condition: string }>>;
    }[];
    /** Hosts that upstreams redirect to and no relay follows; an uplink of 0.3.0 does not say. */
    readonly refusedRedirects?: readonly { readonly upstream: string; readonly host: string; readonly times: number }[];
}

/**
 * Whether Docker can be used.
 *
 * @param docker `unix:///var/run/docker.sock` or `ssh://user@host[:port]`.
 */
export function dockerCheck(where: Surroundings, docker: string, next: readonly Check[] = []): Check {
    return {
        what: say("Docker at home"),
        where: docker,
        todo: docker.startsWith("unix:")
            ? say("start Docker, and run this as a user who may use it")
            : say("see what it says by hand: docker -H with the same address, and version"),
        ask: async () => `Docker ${await onDocker(where, docker, ["version", "--format", "{{.Server.Version}}"])}`,
        next,
    };
}

/** What the stack keeps running there: its containers, and what the uplink thinks of the relays. */
export function containerChecks(where: Surroundings, docker: string): Check[] {
    return [
        {
            what: say("containers at home"),
            where: docker,
            todo: say("docker logs says why; pulumi refresh and up make what is gone"),
            ask: async () => {
                const filter = ["--all", "--filter", "name=^dockermirror-"];
                const listed = await onDocker(where, docker, ["ps", ...filter, "--format", "{{.Names}}: {{.Status}}"]);
                const lines = listed.split("\n").filter((line) => line !== "");
                if (lines.length === 0) throw new Error(say("there are none"));
                const unwell = lines.filter((line) => !/: Up /.test(line) || /unhealthy/.test(line));
                if (unwell.length > 0) throw new Error(unwell.join("; "));
                return lines.join("; ");
            },
        },
        {
            what: say("uplink"),
            where: docker,
            ask: async () => {
                const text = await onDocker(where, docker, ["exec", UPLINK, "node", "-e", STATUS]);
                return uplinkNote(JSON.parse(text) as UplinkStatus);
            },
        },
    ];
}

/** One thing that an uplink reports. */
interface Trouble {
    readonly state: "warning" | "failed";
    readonly note: string;
    readonly todo: string;
}

/**
 * What an uplink reports of the relays, and of the upstreams behind them.
 *
 * @throws Remark when something is wrong, with all of it.
 */
function uplinkNote({ relays, refusedRedirects = [] }: UplinkStatus): string {
    const conditions = relays
        .map(({ name, condition }) => say("{name} is {condition}", { name, condition }))
        .join(", ");
    const troubles = [...relayTrouble(relays), ...upstreamTrouble(relays), ...redirectTrouble(refusedRedirects)];
    if (troubles.length === 0) return conditions;
    throw new Remark(
        troubles.some(({ state }) => state === "failed") ? "failed" : "warning",
        [conditions, ...troubles.map(({ note }) => note)].filter((note) => note !== "").join("; "),
        troubles.map(({ todo }) => todo).join("; "),
    );
}

function relayTrouble(relays: UplinkStatus["relays"]): Trouble[] {
    const well = relays.filter(({ condition }) => condition === "well");
    if (well.length === relays.length) return [];
    const todo = say("the rows of the relays say why, or the link between here and there does");
    return [{ state: well.length > 0 ? "warning" : "failed", note: "", todo }];
}

function upstreamTrouble(relays: UplinkStatus["relays"]): Trouble[] {
    const seen = relays.flatMap(({ name, upstreams = {} }) =>
        Object.entries(upstreams).map(([upstream, { condition }]) => ({ name, upstream, condition })),
    );
    const unwell = seen.filter(({ condition }) => condition !== "well");
    if (unwell.length === 0) return [];
    const isLost = unwell.some(({ upstream }) =>
        seen.every((each) => each.upstream !== upstream || each.condition === "hanging"),
    );
    const note = unwell
        .map(({ name, upstream, condition }) =>
            say("{upstream} through {name} is {condition}", { upstream, name, condition }),
        )
        .join(", ");
    const todo = say(
        "an upstream that is not well fails behind a relay that answers, or blocks its address: it is asked again by itself",
    );
    return [{ state: isLost ? "failed" : "warning", note, todo }];
}

function redirectTrouble(refused: NonNullable<UplinkStatus["refusedRedirects"]>): Trouble[] {
    if (refused.length === 0) return [];
    const told = refused
        .map(({ upstream, host, times }) => say("{upstream} to {host}, {times} times", { upstream, host, times }))
        .join(", ");
    const settings = [...new Set(refused.map(({ upstream }) => upstream))].map((name) => {
        // What is no host name stands for hosts that were not told apart.
        const hosts = refused.filter(({ upstream, host }) => upstream === name && host.includes("."));
        return `${name}: [${hosts.map(({ host }) => host).join(", ")}]`;
    });
    const todo = say(
        "where such a host is the upstream's own, add it in the relays' stack: dockermirror:redirectHosts: {hosts}, then pulumi up",
        { hosts: `{ ${settings.join(", ")} }` },
    );
    return [{ state: "failed", note: say("redirects that no relay follows: {told}", { told }), todo }];
}

/**
 * Whether a relay can be reached from there: dockerd pulls the site's own images through it, and the uplink all others.
 *
 * @param docker `ssh://…`; a socket means that the host is this machine, which can ask more.
 * @param relay Host name, or address in place of what DNS says there.
 */
export function reachCheck(where: Surroundings, docker: string, relay: string): Check {
    return {
        what: say("relay from the Docker host"),
        where: relay,
        todo: say("let the Docker host out to its port 443, and look the name up there: getent hosts"),
        ask: async () => {
            // Of a shell, because who has Docker need not have curl.
            const knock = ["timeout", String(where.seconds), "bash", "-c", `exec 3<>/dev/tcp/${relay}/443`];
            await overThere(where, docker, knock);
            return say("port 443 is open");
        },
    };
}

async function onDocker(where: Surroundings, docker: string, args: readonly string[]): Promise<string> {
    if (docker.startsWith("ssh:")) return overThere(where, docker, ["docker", ...args]);
    return saidBy(await where.run("docker", ["-H", docker, ...args], { env: where.env }));
}

async function overThere(where: Surroundings, docker: string, words: readonly string[]): Promise<string> {
    const { run, env, seconds } = where;
    const { username, hostname, port } = new URL(docker);
    const login = [...(port ? ["-p", port] : []), ...(username ? ["-l", username] : [])];
    const flags = ["-T", "-o", "BatchMode=yes", "-o", `ConnectTimeout=${seconds}`, ...login];
    const ran = await run("ssh", [...flags, "--", hostname, words.map(quote).join(" ")], { env });
    const known = { host: hostname, user: username || undefined, port: port || undefined, setting: "onprem.docker" };
    return saidBy(ran, sshAdvice(ran.stderr, known));
}

function saidBy({ code, stdout, stderr }: Ran, todo?: string): string {
    if (code === 0) return stdout.trim();
    const [said = code === TIMED_OUT ? say("no answer in time") : say("ends with {code} and says nothing", { code })] =
        stderr.trim().split("\n").slice(-1).filter(Boolean);
    throw new Failure(said, todo);
}
