/** What to do about what `ssh`, or `docker` over it, says when it fails: advice for one cause is wrong for another. */
import { say } from "../language/say";

/** Where somebody wanted to log in. */
export interface Login {
    readonly host: string;
    /** @default the user who runs this, or the one in ~/.ssh/config */
    readonly user?: string;
    /** @default "22" */
    readonly port?: string;
    /** The setting that has the host. */
    readonly setting: string;
}

type Advice = readonly [said: RegExp, todo: (login: Login) => string];

/** OpenSSH's own messages (sshconnect.c, readconf.c), then those of the docker command line. */
const ADVICE: readonly Advice[] = [
    [
        /could not resolve hostname/i,
        ({ host, setting }) =>
            say(
                "this machine's resolver does not know {host} (getent hosts {host}): correct {setting}, or make the name known here by DNS, /etc/hosts or ~/.ssh/config",
                { host, setting },
            ),
    ],
    [
        /connection refused/i,
        ({ port = "22", setting }) =>
            say("nothing listens at port {port} there: start sshd, or correct the port in {setting}", {
                port,
                setting,
            }),
    ],
    [
        /timed out|no route to host|network is unreachable|banner exchange/i,
        ({ host, port = "22" }) =>
            say(
                "is the machine up, and may this one reach its port {port} (nc -vz {host} {port})? A firewall, a VPN or sshFrom may be between",
                { port, host },
            ),
    ],
    [
        /identification has changed/i,
        ({ host }) =>
            say(
                "it shows another host key than before: find out why first; if it is right, ssh-keygen -R {host} and log in once by hand",
                { host },
            ),
    ],
    [
        /host key verification failed|no \S+ host key is known/i,
        (login) => say("log in once by hand, so that the host key is known: ssh {login}", { login: target(login) }),
    ],
    [
        /permission denied \(|too many authentication failures/i,
        (login) =>
            say("a key that is taken there must be with the agent (ssh-add -l) or in ~/.ssh; try ssh {login} by hand", {
                login: target(login),
            }),
    ],
    [
        /permission denied.*(docker|socket|sock)|dial unix.*permission denied/i,
        ({ user = "USER" }) =>
            say("that user must be in the group docker there: sudo usermod -aG docker {user}", { user }),
    ],
    [/docker: (command )?not found|docker: no such file/i, () => say("install Docker there")],
    [
        /cannot connect to the docker daemon|is the docker daemon running/i,
        () => say("start Docker there: sudo systemctl start docker"),
    ],
];

/** What to do; nothing where what was said is not known here. */
export function sshAdvice(said: string, login: Login): string | undefined {
    return ADVICE.find(([pattern]) => pattern.test(said))?.[1](login);
}

function target({ host, user, port }: Login): string {
    return [...(port ? ["-p", port] : []), user ? `${user}@${host}` : host].join(" ");
}
