/**
 * Where Pulumi works in a rehearsal: a copy of the project's own Pulumi.yaml and a file a stack, because Pulumi writes
 * into them; the state in a folder, and a passphrase for its secrets. Nothing of it is the user's.
 */
import { randomBytes } from "node:crypto";
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parse, stringify } from "yaml";
import { quote } from "../components/shell";
import type { PulumiRoot } from "./pulumi";
import { run } from "./run";
import type { StackConfig } from "./stack-file";

/** The project's name in Pulumi.yaml. */
export const PROJECT = "dockermirror";
const PROJECT_FILE = join(__dirname, "..", "Pulumi.yaml");
const LANGUAGE_HOST = `#!/bin/sh
exec ${quote(process.execPath)} --require ${quote(require.resolve("tsx/cjs"))} ${quote(join(__dirname, "language-host.ts"))} "$@"
`;
const PRIVATE = { mode: 0o600 };

/** One folder with a project and its stacks. */
export class Workspace {
    readonly workDir: string;

    /** @param folder Made where it is not there: mode 0700, for it holds the passphrase next to what it encrypts. */
    constructor(
        folder: string,
        private readonly pulumi: PulumiRoot,
    ) {
        this.workDir = folder;
        mkdirSync(join(folder, "stacks"), { recursive: true, mode: 0o700 });
        mkdirSync(join(folder, "state"), { recursive: true, mode: 0o700 });
        mkdirSync(this.bin, { recursive: true });
        writeFileSync(join(this.bin, "pulumi-language-nodejs"), LANGUAGE_HOST, { mode: 0o755 });
        copyFileSync(PROJECT_FILE, join(folder, "Pulumi.yaml"));
        if (!existsSync(this.passphraseFile))
            writeFileSync(this.passphraseFile, randomBytes(24).toString("hex"), PRIVATE);
    }

    /** Programs that Pulumi looks for on PATH. */
    private get bin(): string {
        return join(this.workDir, "bin");
    }

    /** The environment of every run of Pulumi here. */
    get env(): Record<string, string> {
        return {
            PULUMI_BACKEND_URL: `file://${join(this.workDir, "state")}`,
            PULUMI_CONFIG_PASSPHRASE_FILE: this.passphraseFile,
            // Behind the others: Pulumi's own language host is better.
            PATH: `${process.env.PATH}:${this.bin}`,
            PULUMI_HOME: join(this.workDir, "home"),
            PULUMI_SKIP_UPDATE_CHECK: "true",
            PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true",
            PULUMI_DIY_BACKEND_DISABLE_CHECKPOINT_BACKUPS: "true",
        };
    }

    /** The stack's own file, as Pulumi reads it and writes into it. */
    stackFile(stack: string): string {
        return join(this.workDir, "stacks", `Pulumi.${stack}.yaml`);
    }

    /** Pulumi's program with this workspace. */
    run(args: readonly string[], input?: string, env: Readonly<Record<string, string>> = {}): Promise<string> {
        const program = this.pulumi.root === undefined ? "pulumi" : join(this.pulumi.root, "bin", "pulumi");
        return run(program, args, { cwd: this.workDir, env: { ...process.env, ...this.env, ...env }, input });
    }

    /**
     * Gives a stack that is there these settings and no others; its secrets are encrypted by Pulumi. Nothing happens
     * where it has them already.
     */
    async configure(stack: string, { config, secretKeys }: StackConfig): Promise<void> {
        const known = join(this.workDir, "stacks", `${stack}.json`);
        const wanted = JSON.stringify({ config, secretKeys });
        if (existsSync(known) && readFileSync(known, "utf8") === wanted) return;
        const file = this.stackFile(stack);
        const before = existsSync(file) ? parse(readFileSync(file, "utf8")) : {};
        const plain = Object.entries(config).filter(([key]) => !secretKeys.includes(key));
        const values = Object.fromEntries(plain.map(([key, text]) => [key, this.typed(key, text)]));
        writeFileSync(file, stringify({ ...before, config: values }), PRIVATE);
        for (const key of secretKeys) {
            const secret = config[key];
            // By standard input: an argument list is for all to read.
            if (secret !== undefined) await this.run(["config", "set", "--stack", stack, "--secret", key], secret);
        }
        writeFileSync(known, wanted, PRIVATE);
    }

    /** As the type says that Pulumi.yaml declares. */
    private typed(key: string, text: string): unknown {
        const { config } = parse(readFileSync(PROJECT_FILE, "utf8")) as { config: Record<string, { type: string }> };
        const type = config[key.replace(`${PROJECT}:`, "")]?.type ?? "string";
        return type === "string" ? text : JSON.parse(text);
    }

    private get passphraseFile(): string {
        return join(this.workDir, "passphrase");
    }
}
