/** What a new stack is asked, in this order: each question is a flag as well, and most become a setting. */
import { isIPv4 } from "node:net";
import { ownAddress } from "../checks/hosts";
import type { Surroundings } from "../checks/surroundings";
import { UPSTREAMS } from "../services/registry/upstreams";
import { knownKeys } from "./references";

/** The sites that a stack can have. */
export const SITES = ["edge", "overseas", "onprem"] as const;

/** Answers as they were typed, by the question's flag. An empty one leaves the setting out. */
export type Answers = Readonly<Record<string, string | undefined>>;

/**
 * - `needed`: there is no stack without it
 * - `optional`: asked, and may be left out
 * - `never`: not asked, unless the rules of the settings ask for it; the flag works all the same
 */
export type Need = "needed" | "optional" | "never";

/** What an offer can be found in. */
export interface Around {
    readonly where: Surroundings;
    /** Where the stacks' files are. */
    readonly folder: string;
}

/** One question. */
export interface Question {
    /** The flag without its dashes. */
    readonly flag: string;
    /** Path of the setting that the answer becomes, `overseas.sshFrom`. @default it becomes none by itself */
    readonly key?: string;
    /** What is asked: in the prompt, the flag's help and the file. In lower case, as it may stand within a line. */
    readonly text: string;
    /** What an answer may be, and what none means. */
    readonly hint?: string;
    readonly need: (answers: Answers) => Need;
    /** The setting's value. @default the text as it is */
    readonly read?: (text: string, answers: Answers) => unknown;
    /** What is suggested to whoever is asked. */
    readonly offer?: (answers: Answers, around: Around) => string | undefined | Promise<string | undefined>;
}

/** A question in full. */
export const inFull = ({ text, hint }: Question): string => (hint === undefined ? text : `${text} (${hint})`);

/** With a capital letter, to stand at the start of a line. */
export const capitalized = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

/** What stands between commas. */
export const list = (text = ""): string[] =>
    text
        .split(",")
        .map((part) => part.trim())
        .filter((part) => part !== "");

/** True when the stack is to have the site. */
export const has = (answers: Answers, site: (typeof SITES)[number]): boolean => list(answers.kinds).includes(site);

/** True when the relays are those of other stacks. */
const isOffice = (answers: Answers) => has(answers, "onprem") && !hasRelay(answers);
const hasRelay = (answers: Answers) => has(answers, "edge") || has(answers, "overseas");
const isMade = (answers: Answers) => ["ec2", "lightsail"].includes(answers["overseas-kind"] ?? "");
const isThere = (answers: Answers) => answers["overseas-kind"] === "host";

const neededIf = (holds: (answers: Answers) => boolean) => (answers: Answers) => (holds(answers) ? "needed" : "never");
const optionalIf = (holds: (answers: Answers) => boolean) => (answers: Answers) =>
    holds(answers) ? "optional" : "never";

/** A number where the text is one; what is not is for the settings to refuse. */
const number = (text: string) => (/^\d+$/.test(text) ? Number(text) : text);

/** Every question, in the order in which they are asked. */
export const QUESTIONS: readonly Question[] = [
    { flag: "company", text: "company, the first part of the stack's name", need: () => "needed" },
    { flag: "region", text: "region or office, the second part of the name", need: () => "needed" },
    {
        flag: "kinds",
        text: "sites",
        hint: "one or more of edge (relay at Cloudflare), overseas (relay on a machine), onprem (cache at home)",
        need: () => "needed",
    },
    {
        flag: "zone",
        key: "zone",
        text: "the zone in Cloudflare that the relays' host names are in",
        need: (answers) => (has(answers, "edge") ? "needed" : has(answers, "overseas") ? "optional" : "never"),
    },
    {
        flag: "edge-account-id",
        key: "edge.accountId",
        text: "the account in Cloudflare",
        hint: "32 hex digits; dashboard, Workers & Pages",
        need: neededIf((answers) => has(answers, "edge")),
    },
    {
        flag: "edge-hostname",
        key: "edge.hostname",
        text: "host name of the relay at Cloudflare",
        need: neededIf((answers) => has(answers, "edge")),
        offer: ({ zone }) => zone && `hub.${zone}`,
    },
    {
        flag: "overseas-kind",
        key: "overseas.kind",
        text: "kind of the machine overseas",
        hint: "ec2 or lightsail are made by the stack; host is there already, with Debian 12 or newer",
        need: neededIf((answers) => has(answers, "overseas")),
    },
    {
        flag: "overseas-region",
        key: "overseas.region",
        text: "AWS region of the machine",
        hint: "such as ap-northeast-1",
        need: neededIf(isMade),
    },
    {
        flag: "overseas-bundle",
        key: "overseas.bundle",
        text: "size of the machine at Lightsail",
        need: () => "never",
    },
    {
        flag: "overseas-address",
        key: "overseas.address",
        text: "the machine's public IPv4 address",
        need: neededIf(isThere),
    },
    {
        flag: "overseas-user",
        key: "overseas.user",
        text: "who logs in there",
        hint: "root if left out; another needs sudo without a password",
        need: optionalIf(isThere),
    },
    {
        flag: "overseas-port",
        key: "overseas.port",
        text: "port of its SSH",
        hint: "22 if left out",
        need: optionalIf(isThere),
        read: number,
    },
    {
        flag: "overseas-host-key",
        key: "overseas.hostKey",
        text: "its SSH host key",
        hint: "a line of /etc/ssh/ssh_host_*_key.pub there; if left out whoever answers is trusted",
        need: optionalIf(isThere),
    },
    {
        flag: "overseas-hostname",
        key: "overseas.hostname",
        text: "host name of the relay on the machine",
        need: neededIf((answers) => has(answers, "overseas")),
        offer: ({ zone }) => zone && `vm.${zone}`,
    },
    {
        flag: "overseas-tls",
        key: "overseas.tls",
        text: "its certificate",
        hint: "acme, a public authority's, which needs the zone; or privateCa, the stack's own",
        // By a public authority only with a zone: the address of a machine that is made here is not known before.
        need: neededIf((answers) => isMade(answers) && answers.zone === ""),
        offer: ({ zone }) => (zone ? undefined : "privateCa"),
    },
    {
        flag: "overseas-ssh-from",
        key: "overseas.sshFrom",
        text: "who may log in to it",
        hint: "ranges of public addresses that the machine which runs Pulumi goes out by, such as 203.0.113.7/32",
        need: neededIf(isMade),
        read: list,
        offer: (_, { where }) => offeredRange(where),
    },
    {
        flag: "onprem-docker",
        key: "onprem.docker",
        text: "Docker at home",
        hint: "ssh://user@host, or unix:///var/run/docker.sock",
        need: neededIf((answers) => has(answers, "onprem")),
    },
    {
        flag: "onprem-hostname",
        key: "onprem.hostname",
        text: "host name of the mirror for clients, which your own DNS must know",
        need: neededIf((answers) => has(answers, "onprem")),
    },
    {
        flag: "relays",
        key: "relays",
        text: "relays that the office pulls through",
        hint: "stacks such as acme-relays, or name=hostname of a relay whose key you were given",
        need: neededIf(isOffice),
        read: readRelays,
    },
    {
        flag: "relays-key",
        text: "name of this office's key in the stacks of the relays",
        hint: "may be left out where a stack has only one",
        need: optionalIf(takesStacks),
        offer: ({ region, relays }, { folder }) => {
            const [keys, ...others] = stacksAmong(relays).map((stack) => knownKeys(folder, stack));
            // Where no file tells which keys there are, an office's is mostly called as it is.
            if (keys === undefined || others.length > 0) return region;
            return keys.find((key) => key === region) ?? (keys.length > 1 ? region : undefined);
        },
    },
    {
        flag: "keys",
        key: "keys",
        text: "names of the relays' keys, one an office",
        need: optionalIf(hasRelay),
        read: (text) => list(text).map((name) => ({ name })),
        offer: ({ company }) => company,
    },
    {
        flag: "upstreams",
        key: "upstreams",
        text: "registries that are relayed",
        hint: `if left out all of ${UPSTREAMS.map(({ name }) => name).join(", ")}`,
        need: () => "optional",
        read: list,
    },
    {
        flag: "hub-username",
        key: "hub.username",
        text: "Docker Hub account that the relays pull with",
        hint: "if left out none; the Hub's limits are low then",
        need: optionalIf(hasRelay),
    },
];

function readRelays(text: string, answers: Answers): unknown {
    const key = answers["relays-key"];
    return list(text).map((relay) => {
        const [name, hostname] = relay.split(/=(.*)/s);
        if (hostname !== undefined) return { name, hostname };
        return key ? { stack: name, key } : { stack: name };
    });
}

/** Those of the relays that are stacks. */
function stacksAmong(relays: string | undefined): string[] {
    return list(relays).filter((relay) => !relay.includes("="));
}

/** True when there are relays of other stacks, whose keys have names. */
export function takesStacks({ relays }: Answers): boolean {
    return stacksAmong(relays).length > 0;
}

/** This machine's address, where it can be known: it is the one that will log in. */
async function offeredRange(where: Surroundings): Promise<string | undefined> {
    const address = await ownAddress(where).catch(() => "");
    return isIPv4(address) ? `${address}/32` : undefined;
}
