/** `npm run new-stack` with somebody who answers, and without; the checks ask doubles. Proves nothing of a real cloud. */
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { parse } from "yaml";
import type { Surroundings } from "../../checks/surroundings";
import { newStack } from "../../new-stack/new-stack";
import { scripts } from "../../package.json";
import { attempt } from "../../rehearsal/run";
import { Double, everywhere, type Reply, worldOf } from "../support/world";

const ROOT = join(__dirname, "../..");
const TOKEN = "t".repeat(40);
const ACCOUNT = "0123456789abcdef0123456789abcdef";
/** An office on this machine's own Docker, on the relays that somebody else has. */
const OFFICE = {
    company: "acme",
    region: "shanghai",
    kinds: "onprem",
    "onprem-docker": "unix:///var/run/docker.sock",
    "onprem-hostname": "mirror.acme.lan",
    relays: "tokyo=vm.example.com",
};
const EDGE = {
    company: "acme",
    region: "relays",
    kinds: "edge",
    zone: "example.com",
    "edge-account-id": ACCOUNT,
    "edge-hostname": "hub.example.com",
};

const EDGE_SETTINGS = { accountId: ACCOUNT, hostname: "hub.example.com" };

const flags = (answers: Readonly<Record<string, string>>) =>
    Object.entries(answers).flatMap(([flag, value]) => [`--${flag}`, value]);

const good = (result: unknown): Reply => [200, { success: true, errors: [], result }];
/** Cloudflare, for a token that may do everything. */
const CLOUDFLARE: Readonly<Record<string, Reply>> = {
    "/cloudflare/ips": good({}),
    "/cloudflare/user/tokens/verify": good({ id: "1", status: "active" }),
    "/cloudflare/zones?name=example.com": good([
        { id: "z1", status: "active", permissions: ["#dns_records:edit"], name_servers: [] },
    ]),
    "/cloudflare/zones/z1/dns_records?name=hub.example.com": good([]),
    [`/cloudflare/accounts/${ACCOUNT}/workers/scripts`]: good([]),
    "/own-address": [200, "203.0.113.7\n"],
};

/** A Docker that answers, whichever. */
const DOCKER: Partial<Surroundings> = { run: async () => ({ code: 0, stdout: "27.3.1\n", stderr: "" }) };

describe("npm run new-stack", () => {
    let folder: string;
    let double: Double;
    /** Where every check of `EDGE` is well. */
    let well: Partial<Surroundings>;

    beforeEach(async () => {
        folder = mkdtempSync(join(tmpdir(), "dockermirror-stacks-"));
        double = await Double.start(({ path }) => CLOUDFLARE[path]);
        well = { env: { CLOUDFLARE_API_TOKEN: TOKEN }, services: everywhere(double.url) };
    });

    afterEach(async () => {
        await double.stop();
        rmSync(folder, { recursive: true });
    });

    /** Runs it with these lines on standard input: what it printed, and how it ended. */
    async function run(args: readonly string[], lines: readonly string[], own: Partial<Surroundings> = DOCKER) {
        const [input, output] = [new PassThrough(), new PassThrough({ encoding: "utf8" })];
        input.end(lines.map((line) => `${line}\n`).join(""));
        let said = "";
        output.on("data", (text: string) => {
            said += text;
        });
        const code = await newStack(args, { where: worldOf(own), folder, input, output });
        return { code, said, prompts: said.split("\n").filter((_, index, all) => all[index + 1]?.startsWith(">")) };
    }

    const written = (stack: string) => readFileSync(join(folder, `Pulumi.${stack}.yaml`), "utf8");
    const config = (stack: string) => parse(written(stack)).config;

    it("asks for what a stack needs, in turn, and writes what was answered", async () => {
        const answers = [
            "acme",
            "relays",
            "edge",
            "example.com",
            ACCOUNT,
            "hub.example.com",
            "",
            "docker.io,ghcr.io",
            "",
        ];
        const { code, prompts, said } = await run([], answers, well);
        assert.equal(code, 0, said);
        assert.deepEqual(
            prompts.map((prompt) => prompt.replace(/^> */, "").replace(/ [([].*/, "")),
            [
                "Company, the first part of the stack's name",
                "Region or office, the second part of the name",
                "Sites",
                "The zone in Cloudflare that the relays' host names are in",
                "The account in Cloudflare",
                "Host name of the relay at Cloudflare",
                "Names of the relays' keys, one an office",
                "Registries that are relayed",
                "Docker Hub account that the relays pull with",
            ],
        );
        assert.deepEqual(config("acme-relays"), {
            "dockermirror:zone": "example.com",
            "dockermirror:edge": { accountId: ACCOUNT, hostname: "hub.example.com" },
            "dockermirror:keys": [{ name: "acme" }],
            "dockermirror:upstreams": ["docker.io", "ghcr.io"],
        });
    });

    it("asks nothing that a flag has answered", async () => {
        const { code, prompts } = await run(flags(EDGE), ["", "", ""], well);
        assert.equal(code, 0);
        assert.equal(prompts.length, 3);
    });

    it("asks again for what the settings refuse, and says why, for rules of one setting and of several", async () => {
        const wrong = { ...EDGE, "edge-account-id": "abc", "edge-hostname": "hub.example.net" };
        const { code, said } = await run(flags(wrong), [ACCOUNT, "hub.example.com", "", "", ""], well);
        assert.equal(code, 0, said);
        assert.match(said, /^ {2}must be the 32 hex digits of a Cloudflare account id, got "abc"$/m);
        assert.match(said, /^(> )? {2}must be example\.com or end with \.example\.com, got "hub\.example\.net"$/m);
        assert.equal(config("acme-relays")["dockermirror:edge"].hostname, "hub.example.com");
    });

    it("asks again for a name that no stack can have, and for one whose file is there", async () => {
        writeFileSync(join(folder, "Pulumi.acme-shanghai.yaml"), "# somebody's\n");
        const { company: _, region: __, ...rest } = OFFICE;
        const { code, said } = await run(flags(rest), [
            ...["Acme!", "example", "acme", "shanghai", "a".repeat(96), "chengdu", ""],
        ]);
        assert.equal(code, 0, said);
        for (const reason of [
            "must be of a-z, 0-9",
            "must be another than example",
            "Pulumi.acme-shanghai.yaml is there",
            "has 101 characters, Pulumi takes 100",
        ])
            assert.ok(said.includes(reason), reason);
        assert.equal(written("acme-shanghai"), "# somebody's\n");
        assert.ok(existsSync(join(folder, "Pulumi.acme-chengdu.yaml")));
    });

    it("asks for what only the rules ask for: the size of a machine where no default is known", async () => {
        const machine = {
            ...{ company: "acme", region: "jakarta", kinds: "overseas", zone: "example.com" },
            ...{ "overseas-kind": "lightsail", "overseas-region": "ap-southeast-3" },
            ...{ "overseas-hostname": "vm.example.com", "overseas-ssh-from": "203.0.113.7/32" },
        };
        const { said } = await run(flags(machine), ["micro_3_1", "", "", "", "y"], well);
        assert.match(said, /must be said in ap-southeast-3: aws lightsail get-bundles/);
        assert.equal(config("acme-jakarta")["dockermirror:overseas"].bundle, "micro_3_1");
    });

    it("offers names in the zone, and this machine's address where it can be known", async () => {
        const machine = {
            ...{ company: "acme", region: "tokyo", kinds: "overseas", zone: "example.com" },
            ...{ "overseas-kind": "ec2", "overseas-region": "ap-northeast-1" },
        };
        const { said } = await run(flags(machine), ["", "", "", "", "", "y"], well);
        assert.match(said, /relay on the machine \[Enter: vm\.example\.com\]/);
        assert.match(said, /such as 203\.0\.113\.7\/32\) \[Enter: 203\.0\.113\.7\/32\]/);
        assert.deepEqual(config("acme-tokyo")["dockermirror:overseas"].sshFrom, ["203.0.113.7/32"]);
        rmSync(join(folder, "Pulumi.acme-tokyo.yaml"));
        const unknown = await run(flags(machine), ["", "203.0.113.8/32", "", "", "", "y"], {});
        assert.doesNotMatch(unknown.said, /Enter: 203/);
    });

    it("looks with preflight's checks before it writes, and asks whether to go on when one failed", async () => {
        const before = await run(flags(EDGE), ["", "", "", "n"], {});
        assert.equal(before.code, 1);
        assert.match(before.said, /^FAIL {2}Cloudflare's API /m);
        assert.match(before.said, /Write the file all the same\? \[y\/N\] a check failed: nothing was written$/m);
        assert.deepEqual(readdirSync(folder), []);
        assert.equal((await run(flags(EDGE), ["", "", "", "y"], {})).code, 0);
        const after = await run(flags({ ...EDGE, region: "more" }), ["", "", ""], well);
        assert.match(after.said, /^ok +right to Workers /m);
        assert.doesNotMatch(after.said, /all the same/);
        assert.ok(double.asked.some(({ headers }) => headers.authorization === `Bearer ${TOKEN}`));
    });

    it("says what comes next, with a command for each secret and none for what there is not", async () => {
        const hub = await run(
            flags({ ...EDGE, keys: "acme", upstreams: "docker.io", "hub-username": "acme" }),
            [],
            well,
        );
        const commands = hub.said.split("Next:")[1]?.match(/^ {2}\S.*?(?= {2,}#)/gm);
        assert.deepEqual(
            commands?.map((command) => command.trim()),
            [
                "npx pulumi login",
                "npx pulumi stack init acme-relays",
                "npx pulumi config set --secret cloudflare:apiToken --stack acme-relays",
                "npx pulumi config set --secret dockermirror:hubToken --stack acme-relays",
                "npm start -- --stack acme-relays",
                "npm run preflight -- --stack acme-relays",
                "npx pulumi up --stack acme-relays",
            ],
        );
        const office = await run([...flags(OFFICE), "--yes"], []);
        assert.match(office.said, /config set --secret dockermirror:relayKey --stack acme-shanghai/);
        assert.doesNotMatch(office.said, /npm start|cloudflare:apiToken/);
        const shared = { ...OFFICE, region: "chengdu", relays: "acme-relays", "relays-key": "chengdu" };
        const { said } = await run([...flags(shared), "--yes"], []);
        assert.match(
            said,
            /# In acme-relays: \{ name: chengdu \} among dockermirror:keys, and pulumi up there first\.$/m,
        );
        assert.match(
            said,
            /stack init acme-chengdu +# with the passphrase or the --secrets-provider that acme-relays has$/m,
        );
        assert.doesNotMatch(said, /config set --secret/);
        assert.deepEqual(config("acme-chengdu")["dockermirror:relays"], [{ stack: "acme-relays", key: "chengdu" }]);
    });

    const AT_EC2 = {
        kind: "ec2",
        region: "ap-northeast-1",
        hostname: "vm.example.com",
        tls: "privateCa",
        sshFrom: ["203.0.113.7/32"],
    };
    /** Whole dialogues, by what the new stack is: what is typed at each question, and what the file has then. */
    const DIALOGUES: Record<string, readonly [lines: readonly string[], stack: string, config: object]> = {
        "a machine at EC2 without a zone, by a certificate of its own": [
            ["acme", "tokyo", "overseas", "", "ec2", "ap-northeast-1", "vm.example.com", "", "", "", "", "", "y"],
            "acme-tokyo",
            {
                "dockermirror:overseas": AT_EC2,
                "dockermirror:keys": [{ name: "acme" }],
            },
        ],
        "a machine at EC2 without a zone, after acme was refused": [
            ["acme", "tokyo", "overseas", "", "ec2", "", "nowhere", "ap-northeast-1", "vm.example.com"].concat([
                "acme",
                "",
                "10.0.0.1/32",
                "203.0.113.7/32",
                "-",
                "",
                "",
                "y",
            ]),
            "acme-tokyo",
            {
                "dockermirror:overseas": AT_EC2,
            },
        ],
        "an office, with commas alone for lists and a key that is left out": [
            ["acme", "shanghai", ",", "onprim", "onprem", "ssh://ops@10.1.0.5", "mirror.acme.lan", ", ,"].concat([
                "acme-relays",
                "-",
                ",",
            ]),
            "acme-shanghai",
            {
                "dockermirror:onprem": { docker: "ssh://ops@10.1.0.5", hostname: "mirror.acme.lan" },
                "dockermirror:relays": [{ stack: "acme-relays" }],
            },
        ],
        "a relay whose host name has a sign in it that divides": [
            ["acme", "shanghai", "onprem", "unix:///var/run/docker.sock", "mirror.acme.lan"].concat([
                "tokyo=vm=1.example.com",
                "tokyo=",
                "tokyo=vm.example.com",
                "",
            ]),
            "acme-shanghai",
            {
                "dockermirror:onprem": { docker: "unix:///var/run/docker.sock", hostname: "mirror.acme.lan" },
                "dockermirror:relays": [{ name: "tokyo", hostname: "vm.example.com" }],
            },
        ],
        "a company whose name is too long for a key": [
            [`a${"c".repeat(40)}`, "relays", "edge", "example.com", ACCOUNT, "", "", "", "", "y"],
            `a${"c".repeat(40)}-relays`,
            { "dockermirror:zone": "example.com", "dockermirror:edge": EDGE_SETTINGS },
        ],
    };
    for (const [what, [lines, stack, expected]] of Object.entries(DIALOGUES)) {
        it(`leads to ${what}`, async () => {
            const surroundings = { ...well, ...DOCKER };
            const { code, said } = await run([], lines, surroundings);
            assert.equal(code, 0, said);
            assert.deepEqual(config(stack), expected);
            assert.doesNotMatch(said, /\[Enter: [,\]]/, "Enter that takes nothing");
            rmSync(join(folder, `Pulumi.${stack}.yaml`));
        });

        it(`writes nothing when the input ends at any question on the way to ${what}`, async () => {
            for (let count = 0; count < lines.length; count += 1) {
                await assert.rejects(run([], lines.slice(0, count), DOCKER), /no more answers: nothing was written/);
                assert.deepEqual(readdirSync(folder), []);
            }
        });
    }

    it("asks again for what is needed and was not answered, says so, and offers no Enter for it", async () => {
        await assert.rejects(run([], ["", "", "acme"]), /no more answers/);
        const { said } = await run(flags({ ...OFFICE, company: "" }), ["", "", "acme", ""]);
        assert.equal(said.match(/an answer is needed; Ctrl-C ends this, and nothing is written/g)?.length, 3);
        assert.match(said, /first part of the stack's name \[needed\]$/m);
    });

    it("offers the key that a stack of the relays has, and none where it has one of another name", async () => {
        const { relays: _, ...rest } = OFFICE;
        const asked = async (keys: string) => {
            writeFileSync(join(folder, "Pulumi.acme-relays.yaml"), `config:\n${keys}`);
            const { said } = await run(flags(rest), ["acme-relays", "", ""]);
            rmSync(join(folder, "Pulumi.acme-shanghai.yaml"));
            return said;
        };
        const KEY = "may be left out where a stack has only one";
        const several = await asked("  dockermirror:keys: [{ name: shanghai }, { name: chengdu }]\n");
        assert.ok(several.includes(`(${KEY}) [Enter: shanghai, -: left out]`), several);
        assert.ok((await asked("  dockermirror:zone: example.com\n")).includes(`(${KEY}) [Enter: left out]`));
    });

    it("refuses a key for relays that are no stacks", async () => {
        await assert.rejects(
            run([...flags({ ...OFFICE, "relays-key": "shanghai" }), "--yes"], []),
            /--relays-key {2}is for relays of stacks, which relays does not have: leave it out/,
        );
    });

    describe("with --yes", () => {
        it("asks nothing", async () => {
            const { code, said } = await run([...flags(OFFICE), "--yes"], []);
            assert.equal(code, 0, said);
            assert.doesNotMatch(said, /^>/m);
            assert.deepEqual(config("acme-shanghai"), {
                "dockermirror:onprem": { docker: "unix:///var/run/docker.sock", hostname: "mirror.acme.lan" },
                "dockermirror:relays": [{ name: "tokyo", hostname: "vm.example.com" }],
            });
        });

        it("tells all that is missing and wrong at once, in the order of the questions", async () => {
            const few = {
                company: "Acme",
                kinds: "edge,overseas",
                "overseas-kind": "ec2",
                "onprem-hostname": "m.acme.lan",
            };
            await assert.rejects(
                run([...flags({ ...few, "overseas-region": "tokyo" }), "--yes"], []),
                (error: Error) => {
                    const [head, ...lines] = error.message.split("\n");
                    assert.equal(head, "this stack cannot be made:");
                    assert.deepEqual(
                        lines.map((line) => line.trim().split(" ").slice(0, 4).join(" ")),
                        [
                            "--company  must be",
                            "--region  is missing:",
                            "--zone  is missing:",
                            "--edge-account-id  is missing:",
                            "--edge-hostname  is missing:",
                            "--overseas-region  must be",
                            "--overseas-hostname  is missing:",
                            "--overseas-tls  acme needs",
                            "--overseas-ssh-from  is missing:",
                            "--onprem-hostname  is for",
                        ],
                    );
                    return true;
                },
            );
            assert.deepEqual(readdirSync(folder), []);
        });

        it("names the flag of what another kind of machine has", async () => {
            const without = { ...OFFICE, "overseas-port": "22" };
            await assert.rejects(run([...flags(without), "--yes"], []), /--overseas-port {2}is for overseas/);
            const foreign = { ...OFFICE, kinds: "onprem,overseas", "overseas-kind": "host", "overseas-region": "x" };
            await assert.rejects(
                run(
                    [...flags({ ...foreign, "overseas-address": "198.51.100.7", "overseas-hostname": "a.b" }), "--yes"],
                    [],
                ),
                /--overseas-region {2}is only for kind: ec2 or kind: lightsail/,
            );
        });

        it("stops at a check that fails", async () => {
            const { code, said } = await run([...flags(EDGE), "--yes"], [], {});
            assert.equal(code, 1);
            assert.match(said, /a check failed: nothing was written$/m);
            assert.deepEqual(readdirSync(folder), []);
        });

        it("refuses to overwrite", async () => {
            writeFileSync(join(folder, "Pulumi.acme-shanghai.yaml"), "# somebody's\n");
            await assert.rejects(
                run([...flags(OFFICE), "--yes"], []),
                /--region {2}must be another: .* is there already/,
            );
            assert.equal(written("acme-shanghai"), "# somebody's\n");
        });
    });

    it("looks whether the stacks of the relays and the key are there", async () => {
        const office = { ...OFFICE, region: "chengdu", relays: "acme-relays" };
        const stack = (keys: string) => writeFileSync(join(folder, "Pulumi.acme-relays.yaml"), `config:\n${keys}`);
        const asked = async (more: object) => {
            const { said } = await run([...flags({ ...office, ...more }), "--yes"], []);
            rmSync(join(folder, "Pulumi.acme-chengdu.yaml"));
            return said.replace(/ +/g, " ");
        };
        stack("  dockermirror:keys: [{ name: shanghai }, { name: chengdu }]\n");
        const there = await asked({ "relays-key": "chengdu" });
        assert.match(there, /^ok stack of the relays acme-relays is there, with the key chengdu$/m);
        assert.doesNotMatch(there, /and pulumi up there first/);
        await assert.rejects(
            asked({}),
            /\n {2}--relays-key {2}must be named: acme-relays has the keys shanghai, chengdu$/,
        );
        const missing = await asked({ "relays-key": "berlin" });
        assert.match(missing, /^warn .* is there and has no key berlin; it has shanghai, chengdu$/m);
        assert.match(
            missing,
            /# In acme-relays: \{ name: berlin \} among dockermirror:keys, and pulumi up there first\.$/m,
        );
        stack("  dockermirror:zone: example.com\n");
        assert.match(await asked({}), /^ok .* is there; its one key is default$/m);
        stack("  dockermirror:keys: [{ name: shanghai }\n");
        assert.match(
            await asked({}),
            /^warn .* acme-relays stacks\/Pulumi\.acme-relays\.yaml cannot be read: .* at line \d+, column \d+/m,
        );
        const misspelt = await asked({ relays: "acme-relay" });
        assert.match(
            misspelt,
            /^warn .* there is no stacks\/Pulumi\.acme-relay\.yaml here; did you mean "acme-relays"\?$/m,
        );
        assert.match(misspelt, /# In the office's own DNS: mirror\.acme\.lan\. 60 IN A <address of /);
    });

    it("never writes a secret of the environment, nor shows one", async () => {
        const { said } = await run([...flags({ ...EDGE, "hub-username": "acme" }), "--yes"], [], well);
        assert.ok(!written("acme-relays").includes(TOKEN));
        assert.ok(!said.includes(TOKEN));
    });

    it("ends when there is nobody to ask, as a program", async () => {
        const path = scripts["new-stack"].split(" ")[2] ?? "";
        const program = (...args: string[]) =>
            attempt(process.execPath, ["--require", "tsx/cjs", path, ...args], { cwd: ROOT });
        const alone = await program("--company", "acme");
        assert.equal(alone.code, 1);
        assert.match(alone.stderr, /no more answers/);
    });
});
