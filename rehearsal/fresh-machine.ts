/** `npm run fresh`: `npm start -- --once` of a clean clone on a machine that has only what the README asks for. `--help`. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readCommandLine, runProgram } from "./command-line";
import { Docker } from "./docker";
import { refuseFarEngine } from "./engine";
import { makeFreshMachine } from "./images";
import { run } from "./run";

const USAGE = `npm run fresh -- [--stack NAME]

Once per release: clones what is committed here, and runs npm start -- --once in a container with a fresh Debian 13, which has
Node, npm and git, and neither Docker nor Go. Set-up does there what it does for a new user, from nothing: an hour on two
processors. Needs Docker here, 15 GB of disk and 6 GB of memory. Exits with the code of npm start.

  --stack NAME  for npm start; default local
`;

const ROOT = join(__dirname, "..");
const HOME = "/root/dockermirror";
/** Where the container's downloads come from, where the variables of this machine say so; docs/china.md. */
const HANDED_ON = ["npm_config_registry", "GOPROXY", "GOSUMDB", "GONOSUMDB", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"];
/** Those that this machine trusts beside Debian's, as a proxy of its network may need. */
const OWN_CAS = "/usr/local/share/ca-certificates";
const ALL_CAS = "/etc/ssl/certs/ca-certificates.crt";

/**
 * What dockerd and mmdebstrap need of a container where --privileged is not to be had: not SYS_RESOURCE, which this
 * machine's own engine may lack; /proc/sys writable, for dockerd's networks; and a device for the far link. The networks,
 * the firewall and the locks of a rehearsal are those of the container: it does not meet one that runs on this machine.
 */
const MACHINE = [
    ...["--cap-add", "ALL", "--cap-drop", "SYS_RESOURCE", "--device-cgroup-rule", "a *:* rwm"],
    ...["seccomp", "apparmor", "systempaths"].flatMap((each) => ["--security-opt", `${each}=unconfined`]),
    ...["--volume", "/sys/fs/cgroup:/sys/fs/cgroup", "--device", "/dev/net/tun"],
    // The engine's layers do not stack on those of an engine: each has a volume of the file system below.
    ...["--volume", "/var/lib/docker", "--init"],
];

runProgram(async () => {
    const { stack = "local" } = readCommandLine(process.argv.slice(2), USAGE, { stack: { type: "string" } });
    await refuseFarEngine(process.env);
    const docker = new Docker();
    const { image } = await makeFreshMachine(docker, (line) => console.log(line));
    const clone = mkdtempSync(join(tmpdir(), "dockermirror-fresh-"));
    // What is started at Ctrl-C too ends by itself, and this program after it.
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => {});
    try {
        await run("git", ["clone", "--quiet", "--no-hardlinks", ROOT, clone]);
        const commands = `update-ca-certificates >/dev/null; cd ${HOME} && exec npm start -- --once --stack "$0"`;
        const env = [...HANDED_ON, ...HANDED_ON.map((name) => name.toLowerCase())].filter((name) => process.env[name]);
        const child = spawn(
            "docker",
            [
                ...["run", "--rm", ...MACHINE, "--volume", `${clone}:${HOME}`],
                ...(existsSync(OWN_CAS) ? ["--volume", `${OWN_CAS}:${OWN_CAS}:ro`] : []),
                ...[`NODE_EXTRA_CA_CERTS=${ALL_CAS}`, ...new Set(env)].flatMap((each) => ["--env", each]),
                ...[image, "sh", "-c", commands, stack],
            ],
            { stdio: "inherit" },
        );
        const [code] = (await once(child, "exit")) as [number | null];
        return code ?? 1;
    } finally {
        rmSync(clone, { recursive: true, force: true });
    }
});
