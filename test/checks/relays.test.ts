/** What preflight finds of an office's relays: stand-ins for pulumi and ssh. */
import assert from "node:assert/strict";
import { relayFindings } from "../../checks/relays";
import { readStackSettings } from "../../checks/stack";
import { Programs, worldOf } from "../support/world";

const KEY = "k".repeat(48);
const SSH = "ssh://ops@10.1.0.5";
const UNIX = "unix:///var/run/docker.sock";
const OFFER = { name: "nginx", hostname: "nobody.invalid" };
const RELAYS = { relays: [OFFER], relayKeys: { "chengdu.1": "c", "shanghai.2": KEY } };

interface Office {
    readonly docker?: string;
    readonly relays: readonly object[];
    /** What the stand-in for ssh does. */
    readonly ssh?: string;
    /** Outputs of `acme-tokyo`; another stack is unknown. */
    readonly outputs?: object;
}

/** Rows of the office's relays: what, state, note. */
async function found({ docker = SSH, relays, ssh = "exit 0", outputs = RELAYS }: Office): Promise<string[][]> {
    const plain = (value: unknown) => ({ value: JSON.stringify(value), secret: false });
    const isLiteral = relays.some((relay) => "hostname" in relay);
    const config = {
        "dockermirror:onprem": plain({ docker, hostname: "mirror.acme.lan" }),
        "dockermirror:relays": plain(relays),
        ...(isLiteral ? { "dockermirror:relayKey": { value: KEY, secret: true } } : {}),
    };
    const programs = new Programs({
        pulumi: `case "$*" in
            config*) cat "$HOME/config" ;;
            "stack output --json --show-secrets --stack acme-tokyo "*) cat "$HOME/outputs" ;;
            *) echo "error: no stack named '$6' found" >&2; exit 255 ;;
        esac`,
        ssh,
    });
    programs.write("config", JSON.stringify(config));
    programs.write("outputs", JSON.stringify(outputs));
    const where = worldOf({ env: programs.env });
    const { stack, findings } = await readStackSettings(where, "acme-shanghai");
    assert.ok(stack, JSON.stringify(findings));
    const rows = await relayFindings(where, stack);
    programs.remove();
    assert.doesNotMatch(JSON.stringify(rows), new RegExp(KEY));
    return rows.map(({ what, state, note }) => [what, state, note]);
}

const TOKYO = { stack: "acme-tokyo", key: "shanghai" };

describe("An office's relays", () => {
    it("of another stack are read with its key, and asked from the Docker host", async () => {
        const [read, reach, ...here] = await found({ relays: [TOKYO] });
        assert.deepEqual(read, ["relays of acme-tokyo", "ok", "can be read, with a key: nobody.invalid"]);
        assert.deepEqual(reach, ["relay from the Docker host", "ok", "port 443 is open"]);
        // What this machine cannot reach says nothing of the office.
        assert.deepEqual(here, [
            ["relay: TLS", "skipped", "from this machine: its name is not found"],
            ["relay: with a key", "skipped", "relay: TLS: skipped"],
        ]);
    });

    it("fail where the Docker host does not reach them, with what it said", async () => {
        const said = "bash: line 1: nobody.invalid: Name or service not known";
        const ssh = `case "$*" in *"exec 3<>/dev/tcp/nobody.invalid/443"*) echo '${said}' >&2; exit 1 ;; esac`;
        const rows = await found({ relays: [TOKYO], ssh });
        assert.deepEqual(rows[1], ["relay from the Docker host", "failed", said]);
    });

    it("fail from here where Docker is here", async () => {
        const rows = await found({ relays: [TOKYO], docker: UNIX });
        assert.deepEqual(rows.slice(1), [
            ["relay: TLS", "failed", "its name is not found"],
            ["relay: with a key", "skipped", "relay: TLS: failed"],
        ]);
    });

    it("of a stack that is not there, or lacks the key, say so, each by its place in the settings", async () => {
        const rows = await found({ relays: [{ stack: "acme-osaka" }, { stack: "acme-tokyo", key: "berlin" }] });
        assert.deepEqual(
            rows.map(([what, state]) => [what, state]),
            [
                ["relays of acme-osaka", "failed"],
                ["relays of acme-tokyo", "failed"],
            ],
        );
        assert.match(rows[0]?.[2] ?? "", /no stack named 'acme-osaka' found/);
        assert.match(rows[1]?.[2] ?? "", /^dockermirror:relays\[1\]\.key {2}must be a key of acme-tokyo/);
    });

    it("that are literals are asked at their address, with the secret relayKey", async () => {
        // Nobody's on loopback, so that it is refused at once; by its name it would not be found.
        const relay = { ...OFFER, address: "127.9.9.9", ca: "-----BEGIN CERTIFICATE-----\n" };
        assert.deepEqual(await found({ docker: UNIX, relays: [relay] }), [
            ["relay: TLS", "failed", "the connection is refused"],
            ["relay: with a key", "skipped", "relay: TLS: failed"],
        ]);
        const [reach] = await found({ relays: [relay], ssh: 'case "$*" in *127.9.9.9/443*) exit 124 ;; esac' });
        assert.deepEqual(reach, ["relay from the Docker host", "failed", "no answer in time"]);
    });

    it("of a stack that has none are told so", async () => {
        const rows = await found({ relays: [TOKYO], outputs: {} });
        assert.match(rows[0]?.[2] ?? "", /acme-tokyo has no relays among its outputs/);
    });
});
