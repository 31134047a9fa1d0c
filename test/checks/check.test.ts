/** `npm run check` as a process, in a copy of the project with stacks of the test's own: nothing is asked of anybody. */
import assert from "node:assert/strict";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { scripts } from "../../package.json";
import { attempt, type Ran } from "../../rehearsal/run";
import { projectCopy } from "../support/project-copy";

/** Ends a process that wants to speak to anything. */
const OFFLINE = `
const { Socket } = require("node:net");
const dns = require("node:dns");
const { connect } = Socket.prototype;
const refuse = () => { process.stderr.write("it asks somebody\\n"); process.exit(99); };
// tsx speaks to a parent of its own, by a socket of this machine.
const isLocal = (to) => [to].flat(2).some((each) => typeof (each?.path ?? each) === "string");
Socket.prototype.connect = function (...to) {
    return isLocal(to) ? connect.apply(this, to) : refuse();
};
dns.lookup = dns.promises.lookup = refuse;
globalThis.fetch = refuse;
`;

describe("npm run check", () => {
    let copy: string;
    before(() => {
        copy = projectCopy();
        writeFileSync(join(copy, "offline.cjs"), OFFLINE);
    });
    after(() => rmSync(copy, { recursive: true }));

    /** Without the first part of the script, which only looks whether packages are installed; and without any program. */
    const check = (...args: string[]): Promise<Ran> => checkIn("C.UTF-8", ...args);
    const checkIn = (locale: string, ...args: string[]): Promise<Ran> => {
        const [, , program = ""] = scripts.check.split(" ");
        const loaders = ["--require", join(copy, "offline.cjs"), "--require", "tsx/cjs"];
        return attempt(process.execPath, [...loaders, program, ...args], {
            cwd: copy,
            env: { PATH: "/nowhere", LANG: locale },
        });
    };
    const stack = (name: string, text: string) => writeFileSync(join(copy, "stacks", `Pulumi.${name}.yaml`), text);

    it("says of settings that can be used that they can", async () => {
        const { code, stdout, stderr } = await check("--stack", "acme/dockermirror/example-tokyo");
        assert.deepEqual([code, stderr], [0, ""]);
        assert.equal(stdout, "stacks/Pulumi.example-tokyo.yaml: the settings can be used\n");
    });

    it("speaks Chinese where the locale does", async () => {
        stack("acme-chinese", "config:\n  dockermirror:zone: example.com.\n  dockermirror:colour: red\n");
        const { code, stderr } = await checkIn("zh_CN.UTF-8", "--stack", "acme-chinese");
        assert.equal(code, 1);
        const [head, ...problems] = stderr.trim().split("\n");
        assert.equal(head, "stacks/Pulumi.acme-chinese.yaml 不能用：");
        assert.deepEqual(
            problems.map((line) => line.replace(/有 zone, .*/, "")),
            [
                "  dockermirror:colour  没有这个配置；可以写的",
                '  dockermirror:zone  必须是单纯的域名，不能带 末尾的点：写成 "example.com"，实际是 "example.com."',
                "  dockermirror:edge  、overseas 或 onprem 至少要设一个：否则这个 stack 什么都不创建",
            ],
        );
        assert.equal(
            (await checkIn("zh_CN.UTF-8", "--stack", "example-tokyo")).stdout,
            "stacks/Pulumi.example-tokyo.yaml：配置可用\n",
        );
    });

    it("tells every problem of a file at once, and exits with 1", async () => {
        const lines = [
            "config:",
            "  docker-mirror:edge: {}",
            "  dockermirror:zone: example.com.",
            "  dockermirror:upstreams: [docker.oi]",
            "  dockermirror:hubToken: in the open",
            "  dockermirror:onprem: { hostname: mirror.acme.lan, docker: 10.1.0.5 }",
        ];
        stack("acme-wrong", lines.join("\n"));
        const { code, stdout, stderr } = await check("--stack", "acme-wrong");
        assert.deepEqual([code, stdout], [1, ""]);
        const [head, ...problems] = stderr.trim().split("\n");
        assert.equal(head, "stacks/Pulumi.acme-wrong.yaml cannot be used:");
        for (const about of [
            /docker-mirror:edge {2}is not read: write dockermirror:edge/,
            /dockermirror:zone {2}must/,
            /dockermirror:upstreams\[0\] .*did you mean "docker\.io"/,
            /dockermirror:hubToken {2}must be encrypted/,
            /dockermirror:onprem\.docker {2}must be/,
        ]) {
            assert.ok(
                problems.some((line) => about.test(line)),
                `${about} is not in\n${stderr}`,
            );
        }
        assert.doesNotMatch(stderr, /in the open/);
    });

    const refusals: Record<string, [args: string[], code: number, message: RegExp]> = {
        "a file that is no YAML, by its name": [
            ["--stack", "acme-broken"],
            1,
            /^stacks\/Pulumi\.acme-broken\.yaml cannot be read: .* at line \d+/,
        ],
        "a stack that is not there, with the nearest that is": [
            ["--stack", "exampel"],
            1,
            /^there is no stack "exampel" .*did you mean "example"\?/,
        ],
        "to be run for no stack": [[], 2, /^--stack must be given\n\nnpm run check -- --stack NAME/],
        "a flag that it does not know": [["--stak", "x"], 2, /^Unknown option '--stak'; did you mean "--stack"\?/],
    };
    for (const [what, [args, code, message]] of Object.entries(refusals)) {
        it(`refuses ${what}`, async () => {
            stack("acme-broken", "config:\n  dockermirror:zone: [\n");
            const ran = await check(...args);
            assert.deepEqual([ran.code, ran.stdout], [code, ""], ran.stderr);
            assert.match(ran.stderr, message);
            assert.doesNotMatch(ran.stderr, /^ +at /m, "a stack trace");
        });
    }
});
