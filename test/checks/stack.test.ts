/** Which checks a stack asks for, and how its settings are read: with a stand-in for `pulumi`, or from its file. */
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import type { Check } from "../../checks/finding";
import { preflightChecks, readStackSettings, type StackRead } from "../../checks/stack";
import { Programs, worldOf } from "../support/world";

const EDGE = { accountId: "0123456789abcdef0123456789abcdef", hostname: "hub.example.com" };
const EC2 = { kind: "ec2", region: "ap-northeast-1", hostname: "vm.example.com", sshFrom: ["203.0.113.7/32"] };
const HOST = { kind: "host", hostname: "vm.example.com", address: "198.51.100.7" };
const ONPREM = { docker: "ssh://ops@10.1.0.5", hostname: "mirror.acme.lan" };

type Secrets = Readonly<Record<string, string>>;

/** A stack of this configuration, as `pulumi config` tells it. */
async function read(config: Record<string, unknown>, secrets: Secrets = {}): Promise<StackRead> {
    const entry = (value: unknown, secret: boolean) => ({
        value: typeof value === "string" ? value : JSON.stringify(value),
        secret,
    });
    const told = {
        ...Object.fromEntries(
            Object.entries(config).map(([key, value]) => [`dockermirror:${key}`, entry(value, false)]),
        ),
        ...Object.fromEntries(Object.entries(secrets).map(([key, value]) => [key, entry(value, true)])),
    };
    const programs = new Programs({
        pulumi: `case "$*" in "config --show-secrets --json --stack acme/dockermirror/tokyo "*) echo '${JSON.stringify(told)}' ;; *) exit 1 ;; esac`,
    });
    const result = await readStackSettings(worldOf({ env: programs.env }), "acme/dockermirror/tokyo");
    programs.remove();
    return result;
}

/** Whatever is looked at, with what would follow. */
function subjects(checks: readonly Check[]): string[] {
    return checks.flatMap(({ what, next = [] }) => [what, ...subjects(next)]);
}

/** What is looked at for a stack, but for what every stack needs. */
async function asked(config: Record<string, unknown>, secrets: Secrets = {}): Promise<string[]> {
    const { stack, findings } = await read(config, secrets);
    assert.ok(stack, JSON.stringify(findings));
    const all = subjects(preflightChecks(worldOf({}), stack));
    return all.filter((what) => !/^(Pulumi CLI|plugin |package registry)/.test(what));
}

describe("A stack's checks", () => {
    it("are those of Cloudflare, EC2 and Docker, where it has them", async () => {
        const found = await asked({ zone: "example.com", edge: EDGE, overseas: EC2, onprem: ONPREM });
        assert.deepEqual(found, [
            "Cloudflare's API",
            "Cloudflare token",
            "zone",
            "right to edit DNS",
            "right to edit DNS",
            "right to Workers",
            "AWS credentials",
            "region",
            "instance type t4g.micro",
            "Debian 13 image",
            "right to RunInstances",
            "network",
            "right to CreateSecurityGroup",
            "right to AllocateAddress",
            "elastic IPs left",
            "vCPU quota",
            "this machine in sshFrom",
            "Docker at home",
        ]);
    });

    it("are those of Lightsail", async () => {
        const lightsail = { ...EC2, kind: "lightsail" };
        const found = await asked({ zone: "example.com", overseas: lightsail });
        assert.ok(found.includes("bundle") && !found.includes("vCPU quota"));
    });

    it("are those of a machine that is there, and nothing of any cloud", async () => {
        assert.deepEqual(await asked({ overseas: HOST }), [
            "SSH of the machine overseas",
            "its host key",
            "login as root",
        ]);
    });

    it("ask for Workers, the Hub account and the token for DNS-01 where they are set", async () => {
        const hub = await asked(
            { zone: "example.com", edge: EDGE, hub: { username: "acme" } },
            { "dockermirror:hubToken": "t" },
        );
        assert.deepEqual(hub.slice(-2), ["right to Workers", "Docker Hub account"]);
        const dns = { ...EC2, acmeChallenge: "dns-01" };
        const found = await asked(
            { zone: "example.com", overseas: dns },
            { "dockermirror:acmeDnsToken": "d".repeat(40) },
        );
        assert.ok(found.includes("token for DNS-01"));
    });

    it("are of the token that the provider takes: the configuration's before the environment's", async () => {
        const world = worldOf({ env: { PATH: "/nowhere", CLOUDFLARE_API_TOKEN: "of the environment" } });
        const tokenAt = async (secrets: Secrets) => {
            const { stack } = await read({ zone: "example.com", edge: EDGE }, secrets);
            const api = preflightChecks(world, stack).find(({ what }) => what === "Cloudflare's API");
            return api?.next?.[0]?.where;
        };
        assert.equal(await tokenAt({ "cloudflare:apiToken": "configured" }), "cloudflare:apiToken");
        assert.equal(await tokenAt({}), "CLOUDFLARE_API_TOKEN");
    });

    it("ask for a zone that is still to be made, and for no site", async () => {
        const config = { zone: "example.com", createZone: { accountId: EDGE.accountId }, overseas: EC2 };
        assert.deepEqual(await asked(config), ["Cloudflare's API", "Cloudflare token", "zone to be made"]);
        const ready = await asked({ ...config, zoneReady: true });
        assert.ok(ready.includes("zone") && ready.includes("AWS credentials"));
    });

    it("are what every stack needs when there is none", () => {
        const found = subjects(preflightChecks(worldOf({}), undefined));
        assert.deepEqual(found.slice(-4), [
            "package registry",
            "Cloudflare's API",
            "Cloudflare token",
            "AWS credentials",
        ]);
    });
});

describe("A stack's settings", () => {
    it("come with their secrets", async () => {
        const { stack, findings } = await read({ overseas: HOST }, { "cloudflare:apiToken": "secret" });
        assert.equal(stack?.secret("cloudflare:apiToken"), "secret");
        assert.deepEqual(
            findings.map(({ what, state }) => [what, state]),
            [["settings", "ok"]],
        );
    });

    it("that cannot be used are a row each", async () => {
        const { stack, findings } = await read({ overseas: { ...HOST, address: "here" }, nonsense: "1" });
        assert.equal(stack, undefined);
        assert.deepEqual(
            findings.map(({ where, state }) => [where, state]),
            [
                ["stacks/Pulumi.tokyo.yaml", "failed"],
                ["stacks/Pulumi.tokyo.yaml", "failed"],
            ],
        );
        assert.ok(findings.some(({ note }) => note.startsWith("dockermirror:overseas.address  must be")));
    });

    it("come from the file where there is no Pulumi, for every stack here", async () => {
        const stacks = readdirSync(join(__dirname, "../../stacks"));
        for (const name of stacks.flatMap((file) => /^Pulumi\.(.+)\.yaml$/.exec(file)?.[1] ?? [])) {
            const { stack, findings } = await readStackSettings(worldOf({}), name);
            assert.ok(stack, `${name}: ${JSON.stringify(findings)}`);
            assert.equal(stack.secret("cloudflare:apiToken"), undefined);
        }
    });
});
