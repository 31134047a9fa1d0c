/** What Pulumi downloads: which files, from where, and the archive for an office that cannot. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { downloadChecks } from "../../checks/downloads";
import { fetchPlugins, listPlugins } from "../../checks/fetch-plugins";
import { type Finding, lookAll } from "../../checks/finding";
import { cli, isInstalled, plugins, withOverride } from "../../checks/plugins";
import { SERVICES } from "../../checks/surroundings";
import { dependencies } from "../../package.json";
import { type Asked, Double, everywhere, Programs, type Reply, worldOf } from "../support/world";

const PLATFORM = "linux-amd64";
const NPM = "case $1 in config) echo https://registry.test/ ;; view) echo 3.265.0 ;; esac";
const PLUGINS = ["aws", "cloudflare", "command", "docker", "random", "tls"];

async function rows(reply: (asked: Asked) => Reply | undefined, scripts: Record<string, string> = {}, env = {}) {
    const double = await Double.start(reply);
    const programs = new Programs({ npm: NPM, ...scripts });
    const where = worldOf({ env: { ...programs.env, ...env }, services: everywhere(double.url) });
    const findings = await lookAll(downloadChecks(where));
    await double.stop();
    programs.remove();
    return { findings, asked: double.asked };
}

const row = (findings: readonly Finding[], start: string) => findings.find(({ what }) => what.startsWith(start));

describe("The plugins", () => {
    it("are those of the pinned packages, at their versions, where the engine looks", () => {
        const found = plugins(SERVICES, PLATFORM);
        assert.deepEqual(
            found.map(({ name }) => name),
            PLUGINS,
        );
        for (const { name, version } of found) {
            assert.equal(version, dependencies[`@pulumi/${name}` as keyof typeof dependencies]);
        }
        const [aws] = found;
        const file = `pulumi-resource-aws-v${aws?.version}-linux-amd64.tar.gz`;
        assert.deepEqual(aws?.urls, [
            `https://github.com/pulumi/pulumi-aws/releases/download/v${aws?.version}/${file}`,
            `https://get.pulumi.com/releases/plugins/${file}`,
        ]);
    });

    it("come from elsewhere where the environment says so", () => {
        const [aws] = plugins(SERVICES, PLATFORM);
        assert.ok(aws);
        const from = (overrides: string) => withOverride(aws, overrides).urls;
        assert.deepEqual(from("^gitlab://=https://no,.*=https://mirror.lan/p/"), [`https://mirror.lan/p/${aws.file}`]);
        assert.deepEqual(
            from(`^github://api.github.com/(?P<org>[^/]+)/(?P<repo>[^/]+)=https://m.lan/\${org}/\${repo}`),
            [`https://m.lan/pulumi/pulumi-aws/${aws.file}`],
        );
        assert.deepEqual(from("^nothing$=https://mirror.lan"), aws.urls);
        assert.deepEqual(from(""), aws.urls);
    });

    it("are there when they are there whole", () => {
        const [aws] = plugins(SERVICES, PLATFORM);
        assert.ok(aws);
        const home = new Programs({});
        const folder = join(home.folder, "pulumi", "plugins", `resource-aws-v${aws.version}`);
        assert.equal(isInstalled(aws, home.env), false);
        mkdirSync(folder, { recursive: true });
        assert.equal(isInstalled(aws, home.env), true);
        writeFileSync(`${folder}.partial`, "");
        assert.equal(isInstalled(aws, home.env), false);
        home.remove();
    });
});

describe("Downloads", () => {
    it("are reached at the first source, by one byte each", async () => {
        const { findings, asked } = await rows(({ path }) =>
            /^\/(github|pulumi)\//.test(path) ? [206, "x"] : undefined,
        );
        assert.deepEqual(
            findings.map(({ what, state }) => [what.replace(/ [\d.]+$/, ""), state]),
            [["Pulumi CLI", "ok"], ...PLUGINS.map((name) => [`plugin ${name}`, "ok"]), ["package registry", "ok"]],
        );
        for (const { path, headers } of asked) {
            if (path.startsWith("/github/")) assert.equal(headers.range, "bytes=0-0");
        }
        assert.ok(!asked.some(({ path }) => path.startsWith("/pulumi/releases")));
    });

    it("are reached at the second source when the first does not have them", async () => {
        const { findings } = await rows(({ path }) => (path.startsWith("/pulumi/") ? [200, "x"] : [502, "no"]));
        const aws = row(findings, "plugin aws");
        assert.equal(aws?.state, "ok");
        assert.match(aws?.note ?? "", /^127.0.0.1:\d+ answers 502; 127.0.0.1:\d+ has it$/);
    });

    it("that nobody has fail, each source named, with the ways out", async () => {
        const { findings } = await rows(() => undefined);
        const aws = row(findings, "plugin aws");
        assert.equal(aws?.state, "failed");
        assert.match(aws?.note ?? "", /answers 404; .* answers 404/);
        assert.match(aws?.todo ?? "", /--fetch-plugins/);
    });

    it("that are not needed are not asked for", async () => {
        const { findings, asked } = await rows(() => undefined, { pulumi: "echo v3.248.0" });
        const found = row(findings, "Pulumi CLI");
        assert.deepEqual([found?.state, found?.note], ["ok", "is installed: v3.248.0"]);
        assert.ok(!asked.some(({ path }) => path.includes("install.sh")));
    });

    it("of the registry are npm's, and only a warning once Pulumi is there", async () => {
        const npm = `case $1 in config) echo https://registry.test/ ;; view) echo 'npm error code ECONNREFUSED' >&2; exit 1 ;; esac`;
        const without = row((await rows(() => undefined, { npm })).findings, "package registry");
        assert.deepEqual([without?.state, without?.note], ["failed", "https://registry.test/: code ECONNREFUSED"]);
        const withCli = await rows(() => undefined, { npm, pulumi: "echo v3.248.0" });
        assert.equal(row(withCli.findings, "package registry")?.state, "warning");
    });
});

describe("The archive for an office", () => {
    const bytes = (path: string) => Buffer.from(`content of ${path.split("/").at(-1)}`);
    const sha256 = (data: Buffer) => createHash("sha256").update(data).digest("hex");
    /** Serves every file, and GitHub's checksums; those of AWS are `awsSum` when one is given. */
    const serving =
        (awsSum?: string) =>
        ({ path }: Asked): Reply | undefined => {
            if (path.startsWith("/github/")) return [200, bytes(path)];
            if (!path.startsWith("/github-api/")) return undefined;
            const all = [cli(SERVICES, PLATFORM), ...plugins(SERVICES, PLATFORM)];
            const assets = all.map(({ name, file }) => {
                const sum = name === "aws" && awsSum ? awsSum : sha256(bytes(file));
                return { name: file, digest: `sha256:${sum}` };
            });
            return [200, { assets }];
        };

    const fetchInto = async (office: Programs, reply: (asked: Asked) => Reply | undefined) => {
        const double = await Double.start(reply);
        const lines: string[] = [];
        const archive = join(office.folder, "plugins.tar");
        try {
            await fetchPlugins(worldOf({ services: everywhere(double.url) }), PLATFORM, archive, (line) =>
                lines.push(line),
            );
        } finally {
            await double.stop();
        }
        return { archive, lines };
    };

    it("is listed for somebody else to download", () => {
        const lines = listPlugins(SERVICES, PLATFORM);
        assert.equal(lines.length, PLUGINS.length + 1);
        assert.match(
            lines[0] ?? "",
            /^pulumi-v[\d.]+-linux-x64\.tar\.gz {2}https:\/\/github\.com\S+ {2}https:\/\/get\.pulumi\.com\S+$/,
        );
    });

    it("installs itself without a network", async () => {
        const office = new Programs({ pulumi: 'echo "$@" >>"$HOME/called"' });
        const { archive, lines } = await fetchInto(office, serving());
        assert.ok(
            lines.slice(0, -1).every((line) => line.endsWith("checksum as published")),
            lines.join("\n"),
        );
        const folder = join(office.folder, "unpacked");
        mkdirSync(folder);
        execFileSync("tar", ["-xf", archive, "-C", folder]);
        assert.equal(readdirSync(folder).length, PLUGINS.length + 3);
        execFileSync("sh", [join(folder, "install.sh")], { env: office.env, stdio: "pipe" });
        const called = execFileSync("cat", [join(office.folder, "called")], { encoding: "utf8" })
            .trim()
            .split("\n");
        const expected = plugins(SERVICES, PLATFORM).map(
            ({ name, version, file }) => `plugin install resource ${name} ${version} --file ${file}`,
        );
        assert.deepEqual(called, [...expected, "plugin ls"]);
        // Changed on the way to the office.
        writeFileSync(join(folder, plugins(SERVICES, PLATFORM)[0]!.file), "something else");
        assert.throws(() => execFileSync("sh", [join(folder, "install.sh")], { env: office.env, stdio: "pipe" }));
        office.remove();
    });

    it("says when there was no checksum to compare", async () => {
        const office = new Programs({});
        const { lines } = await fetchInto(office, ({ path }) =>
            path.startsWith("/pulumi/") ? [200, bytes(path)] : undefined,
        );
        assert.ok(lines.slice(0, -1).every((line) => line.endsWith("no checksum could be had to compare")));
        office.remove();
    });

    it("is not made of what was not published, or cannot be had", async () => {
        const office = new Programs({});
        await assert.rejects(fetchInto(office, serving("0".repeat(64))), /aws.* is not what was published/);
        await assert.rejects(
            fetchInto(office, () => undefined),
            /pulumi-v[\d.]+-linux-x64\.tar\.gz cannot be downloaded: \S+: answers 404; \S+: answers 404/,
        );
        assert.equal(existsSync(join(office.folder, "plugins.tar")), false);
        office.remove();
    });
});
