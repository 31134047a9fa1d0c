/** The relays of others that an office pulls through: whether they are told to it, can be reached, and take its key. */
import { endpointsOf } from "../components/shared-relays";
import { say } from "../language/say";
import { relayCheck } from "./answers";
import { reachCheck } from "./docker-host";
import { type Check, type Finding, look, lookAll, Remark, type Seen } from "./finding";
import { findPulumi, pulumi } from "./pulumi-cli";
import type { Stack } from "./stack";
import type { Surroundings } from "./surroundings";

interface Relay {
    readonly hostname: string;
    readonly address?: string;
    readonly ca?: string;
    readonly key?: string;
}

/** What is found of the stack's `relays`; nothing where it has none. Those of a stack are known only once that is read. */
export async function relayFindings(
    where: Surroundings,
    { settings, secret }: Stack,
    ended?: Seen,
): Promise<Finding[]> {
    const { onprem, relays } = settings;
    const docker = onprem?.docker ?? "";
    const rows = relays.map(async (entry, index): Promise<Finding[]> => {
        if (!("stack" in entry)) {
            const keyTodo = say(
                "ask who runs the relay for the key that is valid now, then pulumi config set --secret dockermirror:relayKey",
            );
            const key = secret("dockermirror:relayKey");
            return lookAll(checks(where, docker, { ...entry, key }, keyTodo), ended);
        }
        const found: Relay[] = [];
        const readable: Check = {
            what: say("relays of {stack}", { stack: entry.stack }),
            where: `relays[${index}]`,
            todo: say(
                "the stack must be in the same backend, and its secrets to be decrypted here: the same passphrase, or the right to its KMS key",
            ),
            ask: async () => {
                found.push(...endpointsOf(entry, `relays[${index}]`, await outputs(where, entry.stack)));
                return say("can be read, with a key: {hosts}", {
                    hosts: found.map(({ hostname }) => hostname).join(", "),
                });
            },
        };
        const readFindings = await look(readable, ended);
        const keyTodo = say("run up there first: pulumi up --stack {stack}", { stack: entry.stack });
        return [
            ...readFindings,
            ...(await lookAll(
                found.flatMap((relay) => checks(where, docker, relay, keyTodo)),
                ended,
            )),
        ];
    });
    return (await Promise.all(rows)).flat();
}

/** What the program gets by a reference to the stack: the same state, read with the same secrets provider. */
async function outputs(where: Surroundings, stack: string): Promise<readonly unknown[]> {
    if (!findPulumi(where.env)) throw new Remark("skipped", say("there is no pulumi on this machine yet"));
    const text = await pulumi(where, ["stack", "output", "--json", "--show-secrets", "--stack", stack]);
    const { relays, relayKeys } = JSON.parse(text) as Record<string, unknown>;
    return [relays, relayKeys];
}

/** From the Docker host, and from here: where that is another machine, it need not reach what the office does. */
function checks(where: Surroundings, docker: string, relay: Relay, keyTodo: string): Check[] {
    const { hostname, address, ca, key } = relay;
    const { seconds } = where;
    const asked = relayCheck({ url: `https://${hostname}`, address, ca, key, keyTodo, seconds });
    if (!docker.startsWith("ssh:")) return [asked];
    const fromHere = () =>
        asked.ask().catch((error: Error) => {
            if (error instanceof Remark) throw error;
            throw new Remark("skipped", say("from this machine: {message}", { message: error.message }));
        });
    return [reachCheck(where, docker, address ?? hostname), { ...asked, ask: fromHere }];
}
