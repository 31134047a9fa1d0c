/** What the relay's machine says of itself, by a stand-in for `ssh`. The real script: test/templates. */
import assert from "node:assert/strict";
import { examineMachine } from "../../checks/machine";
import { Programs } from "../support/world";

const TARGET = { host: "198.51.100.7", port: 2222, user: "dockermirror", hostKey: "ssh-ed25519 AAAA" };

async function examined(script: string) {
    const programs = new Programs({ ssh: script });
    const findings = await examineMachine(TARGET, programs.env);
    programs.remove();
    return findings.map(({ what, where, state, note }) => [what, where, state, note]);
}

describe("The machine from within", () => {
    const at = "198.51.100.7:2222";

    it("has a row for each line of its own doctor", async () => {
        const lines = ["ok     files         as they were laid", "note   reboot        wanted by an upgrade"];
        assert.deepEqual(await examined(`printf '%s\\n' '${lines.join("' '")}'`), [
            ["machine: files", at, "ok", "as they were laid"],
            ["machine: reboot", at, "warning", "wanted by an upgrade"],
        ]);
    });

    it("fails with what is wrong there", async () => {
        const script =
            "echo 'ok     links         lead to the release'; echo 'wrong  disk          97 % of / used'; exit 1";
        assert.deepEqual(await examined(script), [
            ["machine: links", at, "ok", "lead to the release"],
            ["machine: disk", at, "failed", "97 % of / used"],
        ]);
    });

    it("names the command that replaces what somebody edited", async () => {
        const programs = new Programs({ ssh: "echo 'wrong  files         edited by hand: server.conf'; exit 1" });
        const [found] = await examineMachine(TARGET, programs.env);
        programs.remove();
        assert.equal(found?.todo, "apply the stack's files again: pulumi up --replace '**nginx-apply'");
    });

    it("is asked as root, on its own terms", async () => {
        const [row] = await examined(
            `for last; do :; done; echo "$last" | tr '\\n' ' ' >&2; echo " of $4 $6" >&2; exit 1`,
        );
        assert.equal(row?.[2], "failed");
        assert.match(String(row?.[3]), /exec sh \/etc\/nginx\/relay\/doctor\.sh.*sudo -n/);
    });

    it("fails when it cannot be reached, with ssh's word", async () => {
        const script = "echo 'Host key verification failed.' >&2; exit 255";
        assert.deepEqual(await examined(script), [["machine", at, "failed", "Host key verification failed."]]);
    });

    it("fails when the script is not there, dies half-way or says nothing", async () => {
        const gone = "sh: 0: cannot open /etc/nginx/relay/doctor.sh: No such file";
        assert.deepEqual(await examined(`echo '${gone}' >&2; exit 2`), [["machine", at, "failed", gone]]);
        const half = await examined("echo 'ok     files         as they were laid'; echo 'df: broken' >&2; exit 1");
        assert.deepEqual(half.at(-1), ["machine", at, "failed", "df: broken"]);
        const silent = await examined("exit 0");
        assert.deepEqual(silent.at(-1)?.[2], "failed");
    });
});
