/** A network namespace with a file system view of its own: where a program sees another network and other host names. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { run } from "./run";

export class Namespace {
    private constructor(private readonly holder: ChildProcess) {}

    /** It has no name and lives as long as this process: also one that is killed leaves nothing. */
    static async make(): Promise<Namespace> {
        // `cat` ends with its input, which is this process's.
        const holder = spawn("unshare", ["--net", "--mount", "sh", "-c", "echo made && exec cat"], {
            stdio: ["pipe", "pipe", "inherit"],
        });
        const failed = once(holder, "exit").then(() => {
            throw new Error("a network namespace cannot be made: root's rights are needed");
        });
        await Promise.race([once(holder.stdout, "data"), failed]);
        // From now on it may end.
        failed.catch(() => {});
        const namespace = new Namespace(holder);
        await namespace.run(["ip", "link", "set", "lo", "up"]);
        return namespace;
    }

    /** Of the process that holds it, for `ip link set … netns`. */
    get pid(): number {
        return this.holder.pid ?? 0;
    }

    /** The command line that runs another one in it. */
    entering(command: readonly string[]): [string, ...string[]] {
        return ["nsenter", `--net=/proc/${this.pid}/ns/net`, `--mount=/proc/${this.pid}/ns/mnt`, ...command];
    }

    /** Runs a program in it and returns what it prints. */
    run(command: readonly string[]): Promise<string> {
        const [program, ...args] = this.entering(command);
        return run(program, args);
    }

    /** Ends it, with the devices in it. Programs that run in it still keep it until they end. */
    async remove(): Promise<void> {
        if (this.holder.exitCode !== null) return;
        const ended = once(this.holder, "exit");
        this.holder.stdin?.end();
        await ended;
    }
}
