/** The relay's configuration in real nginx, beyond the relay contract: what only Nginx can get wrong. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import type { IncomingMessage } from "node:http";
import { get } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { connect, type SecureVersion } from "node:tls";
import { type RelayFilesArgs, relayFiles } from "../../components/overseas/relay-files";
import { type Hub, type HubOptions, startHub } from "../../rehearsal/hub/hub";
import { makeImage } from "../../rehearsal/hub/image";
import { ImageStore, OCI_MANIFEST } from "../../rehearsal/hub/store";
import { HUB_HOSTS } from "../../rehearsal/hub/upstream-hosts";
import { issue, type KeyPair, makeCa } from "../../rehearsal/pki";
import { selectUpstreams, UPSTREAMS } from "../../services/registry/upstreams";
import { readTemplate } from "../../templates/render";
import { eventually } from "../support/eventually";
import { checkNginx, layRelease, machineIn, nginxFolder, remove } from "../support/nginx";
import { startNginxRelay } from "../support/nginx-relay";
import { type RelayOptions, type RelayUnderTest, send } from "../support/relay";

const HUB_ADDRESS = "127.82.0.1";
const KEY = "B2lQr8As1tU6vWx3yZc5dEf7gHi9jKl2mNo4pQr6";
const ACCOUNT = { username: "acme", token: "dckr_pat_sEntiNel" };
const MANIFEST = "/v2/library/hello/manifests/1.0";
const PULL = { "x-relay-key": KEY, accept: OCI_MANIFEST };

describe("The relay's nginx", function () {
    this.timeout(60_000);

    let ca: KeyPair;
    let store: ImageStore;
    let folder: string;
    let hub: Hub;
    let relay: RelayUnderTest;

    const start = (options: Partial<RelayOptions> = {}) =>
        startNginxRelay({ hub, hubAddress: HUB_ADDRESS, ca, keys: { "acme.2": KEY }, ...options });
    const startDouble = (options: Partial<HubOptions> = {}) => {
        const accounts = { [ACCOUNT.username]: ACCOUNT.token };
        return startHub({ store, ...issue(ca, HUB_HOSTS), host: HUB_ADDRESS, accounts, ...options });
    };
    const tokensAsked = () => hub.requests.filter(({ role }) => role === "token");

    before(async () => {
        ca = makeCa("relay nginx");
        folder = await mkdtemp(join(tmpdir(), "nginx-relay-"));
        store = new ImageStore(folder);
        const layers = [{ bytes: 1000, seed: "layer" }];
        await makeImage(store, { upstream: "docker.io", repository: "library/hello", tag: "1.0", layers });
        hub = await startDouble();
        relay = await start();
    });
    after(async () => {
        await relay?.stop();
        await hub?.close();
        await rm(folder, { recursive: true, force: true });
    });
    beforeEach(() => hub.clear());

    describe("conf", () => {
        const variants: Record<string, Partial<RelayFilesArgs>> = {
            "all upstreams": {},
            "one upstream": { upstreams: selectUpstreams(["docker.io"]) },
            "upstreams without Docker Hub": { upstreams: selectUpstreams(["ghcr.io", "quay.io"]) },
            "an upstream without tokens alone": { upstreams: selectUpstreams(["registry.k8s.io"]) },
            "a Hub account": { hubAccount: ACCOUNT },
            "accounts for private repositories": {
                hubAccount: ACCOUNT,
                privateAccounts: [
                    { upstream: "ghcr.io", username: "acme-bot", token: "t", repositories: ["acme/*", "a-b/c.d_e"] },
                    // About as long as the key of a Google service account, which is the longest token there is.
                    { upstream: "gcr.io", username: "_json_key", token: "t".repeat(2400), repositories: ["acme/app"] },
                ],
            },
            "public access and no key": { access: "public", keys: {} },
            "IPv6 too": { ipv6: true },
            "a certificate by HTTP-01": { tls: { acme: { server: "https://acme.example.com/directory" } }, ipv6: true },
            "a certificate by DNS-01": {
                tls: {
                    acme: { server: "https://acme.example.com/directory", dns: { zoneId: "zone", token: "token" } },
                },
            },
            "many keys": {
                keys: Object.fromEntries(Array.from({ length: 200 }, (_, i) => [`office${i}.1`, `${i}`.repeat(40)])),
            },
        };
        const verdictOn = async (change: Partial<RelayFilesArgs>, spoil = "") => {
            const place = nginxFolder();
            try {
                const { cert: certificate, key } = issue(ca, ["vm.example.com"]);
                const files = relayFiles({
                    hostname: "vm.example.com",
                    upstreams: UPSTREAMS,
                    keys: { "acme.2": KEY },
                    tls: { certificate, key },
                    machine: machineIn(place, "/etc/ssl/certs/ca-certificates.crt"),
                    ...change,
                }).map((file) => (file.path === "tls.conf" ? { ...file, content: file.content + spoil } : file));
                // Where renew.sh would have put it.
                mkdirSync(join(place, "home/certificate"), { recursive: true });
                writeFileSync(join(place, "home/certificate/certificate.pem"), certificate);
                writeFileSync(join(place, "home/certificate/key.pem"), key);
                return await checkNginx(layRelease(place, files, "127.0.0.1"));
            } finally {
                remove(place);
            }
        };
        for (const [what, change] of Object.entries(variants)) {
            it(`is accepted with ${what}`, async () => {
                assert.deepEqual(await verdictOn(change), { accepted: true, says: "" });
            });
        }

        it("is refused when it is broken", async () => {
            const { accepted, says } = await verdictOn({}, "oops;\n");
            assert.equal(accepted, false);
            assert.match(says, /unknown directive "oops"/);
        });
    });

    const internal = [...readTemplate("nginx/relay/server.conf").matchAll(/location =? ?(\/_\S+)/g)].map(
        ([, path = ""]) => path,
    );
    it("says of every answer of its own whose it is", () => {
        const { cert: certificate, key } = issue(ca, ["vm.example.com"]);
        const args = { hostname: "vm.example.com", upstreams: UPSTREAMS, keys: {}, tls: { certificate, key } };
        const conf = relayFiles(args).find(({ path }) => path === "server.conf")?.content ?? "";
        const [, said = ""] = /\nmap \$uri \$relay_answer \{\n([^}]*)\}/.exec(conf) ?? [];
        const known = [...said.matchAll(/^ +(\/_answer\S+) +\S/gm)].map(([, path]) => path);
        assert.deepEqual(
            known.sort(),
            internal.filter((path) => path.startsWith("/_answer/") && path !== "/_answer/").sort(),
        );
    });

    for (const path of internal) {
        it(`has no ${path} for clients, with or without a key`, async () => {
            for (const headers of [{}, PULL]) {
                const answer = await send(relay, "GET", path, headers);
                assert.equal(answer.status, 404);
                assert.equal(answer.body.toString(), "not found\n");
            }
            assert.deepEqual(hub.requests, []);
        });
    }

    it("sends every Accept line of a client up", async () => {
        await send(relay, "GET", MANIFEST, { ...PULL, accept: ["application/a", OCI_MANIFEST, "application/c"] });
        const asked = hub.requests.find(({ role }) => role === "registry");
        assert.equal(asked?.headers.accept, `application/a, ${OCI_MANIFEST}, application/c`);
    });

    it("closes the connection on a Host that is not its own, without a word", async () => {
        const request = `GET /v2/ HTTP/1.1\r\nHost: other.example.com\r\nX-Relay-Key: ${KEY}\r\n\r\n`;
        assert.equal(await exchange(relay, relay.hostname, request), "");
    });

    it("has no page for a request with a large body", async () => {
        const request = `POST /v2/ HTTP/1.1\r\nHost: ${relay.hostname}\r\nX-Relay-Key: ${KEY}\r\nContent-Length: 9999999\r\n\r\n`;
        const answer = await exchange(relay, relay.hostname, request);
        assert.match(answer, /^HTTP\/1\.1 405 /);
        assert.doesNotMatch(answer, /html|nginx\//i);
    });

    it("does not even show a certificate to a server name that is not its own", async () => {
        await assert.rejects(exchange(relay, "other.example.com", ""), /alert|unrecognized name/i);
    });

    it("speaks TLS 1.3, and nothing older than 1.2", async () => {
        assert.equal(await protocol(relay), "TLSv1.3");
        assert.equal(await protocol(relay, "TLSv1.2"), "TLSv1.2");
        await assert.rejects(protocol(relay, "TLSv1.1"), /protocol/i);
    });

    it("hands out no session tickets, whose key would be kept until the next reload", async () => {
        assert.equal(await ticket(relay), undefined);
    });

    it("tells its release to callers with a key, and on its own machine", async () => {
        for (const headers of [{}, PULL]) {
            const answer = await send(relay, "GET", "/v2/", headers);
            assert.match(String(answer.headers["x-dockermirror-release"]), /^[0-9a-f]{32}$/);
        }
        const elsewhere = { ...relay, origin: relay.origin.replace("127.0.0.1", "127.0.0.2") };
        const stranger = await send({ ...elsewhere, localAddress: "127.0.0.2" }, "GET", "/v2/");
        assert.equal(stranger.status, 401);
        assert.equal(stranger.headers["x-dockermirror-release"], undefined);
    });

    it("does not talk to an upstream whose certificate is not of a CA that it trusts", async () => {
        const other = await startNginxRelay(
            { hub, hubAddress: HUB_ADDRESS, ca, keys: { "acme.2": KEY } },
            makeCa("another").cert,
        );
        try {
            assert.equal((await send(other, "GET", MANIFEST, PULL)).status, 502);
            assert.deepEqual(hub.requests, []);
        } finally {
            await other.stop();
        }
    });

    it("asks for the verdict on a repository and for a token once each, not a request", async () => {
        const own = await start({ account: ACCOUNT });
        try {
            for (let pull = 0; pull < 3; pull++) assert.equal((await send(own, "GET", MANIFEST, PULL)).status, 200);
            assert.deepEqual(
                tokensAsked().map(({ authorization }) => authorization),
                [false, true],
            );
        } finally {
            await own.stop();
        }
    });

    it("does not use its account where the anonymous token speaks of another repository", async () => {
        const own = await start({ account: ACCOUNT });
        const access = [{ type: "repository", name: "library/other", actions: ["pull"] }];
        const token = `a.${Buffer.from(JSON.stringify({ access })).toString("base64url")}.c`;
        const action = { kind: "status", status: 200, body: JSON.stringify({ token, expires_in: 300 }) } as const;
        hub.faults.push({ match: { role: "token" }, action });
        try {
            await send(own, "GET", MANIFEST, PULL);
            assert.ok(tokensAsked().length > 0);
            for (const { authorization } of tokensAsked()) assert.equal(authorization, false);
        } finally {
            await own.stop();
        }
    });

    it("limits strangers where they are let in, and nobody with a key", async () => {
        const open = await start({ access: "public", publicLimit: { requestsPerMinute: 20 } });
        const statuses = async (headers: Record<string, string>, perCaller: number) => {
            const found = new Set<number>();
            const ask = async () => {
                // On a busy machine a stranger's allowance grows while it is used up: as many as it takes, within bounds.
                for (let request = 0; request < perCaller && !found.has(429); request++) {
                    const { status, headers: got } = await send(open, "HEAD", MANIFEST, {
                        accept: OCI_MANIFEST,
                        ...headers,
                    });
                    if (status === 429) assert.match(got["retry-after"] ?? "", /^\d+$/);
                    found.add(status);
                }
            };
            await Promise.all(Array.from({ length: 5 }, ask));
            return [...found].sort();
        };
        try {
            assert.deepEqual(await statuses({ "x-relay-key": KEY }, 10), [200]);
            assert.deepEqual(await statuses({}, 200), [200, 429]);
        } finally {
            await open.stop();
        }
    });

    it("logs ten lines a second of a flood without a key, and every request with one", async () => {
        const own = await start({ access: "keys" });
        try {
            const began = Date.now();
            const paths = ["/v2/", MANIFEST, "/wp-login.php", "/v2/a%00b/x", "/v2/?n=-1"];
            const flood = async () => {
                for (let request = 0; request < 8; request++) {
                    for (const path of paths) await send(own, "GET", path);
                }
            };
            await Promise.all(Array.from({ length: 5 }, flood));
            for (let request = 0; request < 30; request++) await send(own, "GET", "/v2/_catalog", PULL);
            const seconds = (Date.now() - began) / 1000;
            const lines = await eventually("the lines of the key", async () => {
                const all = await own.logLines();
                return all.filter(({ key }) => key !== "").length >= 30 ? all : undefined;
            });
            const strangers = lines.filter(({ key }) => key === "");
            assert.ok(strangers.length >= 1 && strangers.length <= 10 * (seconds + 1), `${strangers.length}`);
            // Even where this machine is so slow that ten a second would be all.
            assert.ok(strangers.length < 200 || seconds > 20);
            assert.ok(!(await own.logText()).includes("limiting requests"));
        } finally {
            await own.stop();
        }
    });

    it("closes a reader that takes hardly anything for longer than it may pause, and no other", async () => {
        // Two seconds for the relay's five minutes and a half.
        const hurried = (args: RelayFilesArgs) =>
            relayFiles(args).map((file) => {
                if (file.path !== "server.conf") return file;
                assert.match(file.content, /\n {4}send_timeout 330s;\n/);
                return { ...file, content: file.content.replace("send_timeout 330s", "send_timeout 2s") };
            });
        const own = await startNginxRelay({ hub, hubAddress: HUB_ADDRESS, ca, keys: { "acme.2": KEY } }, ca.cert, {
            relayFiles: hurried,
            selectUpstreams,
        });
        const bytes = 30_000_000;
        hub.faults.push({
            match: { role: "registry" },
            action: { kind: "status", status: 200, body: "x".repeat(bytes) },
        });
        const ask = async (path: string) => {
            const request = get(`${own.origin}${path}`, {
                agent: false,
                ca: own.ca,
                servername: own.hostname,
                headers: { host: own.hostname, ...PULL },
            });
            const [response] = (await once(request, "response")) as [IncomingMessage];
            return response;
        };
        const taken = async (response: IncomingMessage) => {
            let count = 0;
            for await (const chunk of response) count += chunk.length;
            return count;
        };
        const line = (name: string) =>
            eventually(`the line of ${name}`, async () => (await own.logLines()).find((each) => each.name === name));
        try {
            const patient = await ask("/v2/library/patient/manifests/1.0");
            await setTimeout(1000);
            assert.equal(await taken(patient), bytes);
            const stuck = await ask("/v2/library/stuck/manifests/1.0");
            assert.ok(Number((await line("library/stuck")).bytes) < bytes);
            await assert.rejects(taken(stuck));
            const trickling = await ask("/v2/library/trickling/manifests/1.0");
            const sip = setInterval(() => trickling.read(16), 50);
            try {
                assert.ok(Number((await line("library/trickling")).bytes) < bytes);
            } finally {
                clearInterval(sip);
            }
            await assert.rejects(taken(trickling));
        } finally {
            await own.stop();
        }
    });

    it("fetches a new token before the one that it keeps ends", async () => {
        await hub.close();
        hub = await startDouble({ tokenSeconds: 10 });
        const late = await start();
        try {
            await eventually(
                "a second token",
                async () => {
                    // No pull: of these an address has only so many.
                    assert.equal((await send(late, "HEAD", MANIFEST, PULL)).status, 200);
                    return tokensAsked().length >= 2 || undefined;
                },
                30_000,
            );
            const statuses = new Set(
                hub.requests.filter(({ role }) => role === "registry").map(({ status }) => status),
            );
            assert.deepEqual([...statuses], [200]);
        } finally {
            await late.stop();
        }
    });
});

/** The first of what comes back for raw bytes over TLS; nothing when the relay closes without a word. */
function exchange(relay: RelayUnderTest, servername: string, request: string): Promise<string> {
    return new Promise((resolve, reject) => {
        const socket = connect({
            host: "127.0.0.1",
            port: Number(new URL(relay.origin).port),
            servername,
            ca: relay.ca,
        });
        socket.once("data", (data) => {
            resolve(data.toString());
            socket.destroy();
        });
        socket.once("error", reject).once("close", () => resolve(""));
        socket.write(request);
    });
}

/** The protocol that is settled on with a client that speaks `maxVersion` at most. */
function protocol(relay: RelayUnderTest, maxVersion: SecureVersion = "TLSv1.3"): Promise<string | null> {
    return new Promise((resolve, reject) => {
        const port = Number(new URL(relay.origin).port);
        // Old protocols are not even tried at OpenSSL's usual security level.
        const old = { minVersion: "TLSv1" as const, maxVersion, ciphers: "DEFAULT@SECLEVEL=0" };
        const socket = connect({ host: "127.0.0.1", port, servername: relay.hostname, ca: relay.ca, ...old }, () => {
            resolve(socket.getProtocol());
            socket.destroy();
        });
        socket.once("error", reject);
    });
}

/** The ticket that a client of TLS 1.2, which gets one in the handshake, could come back with. */
function ticket(relay: RelayUnderTest): Promise<Buffer | undefined> {
    return new Promise((resolve, reject) => {
        const port = Number(new URL(relay.origin).port);
        const tls = { servername: relay.hostname, ca: relay.ca, maxVersion: "TLSv1.2" as const };
        const socket = connect({ host: "127.0.0.1", port, ...tls }, () => {
            resolve(socket.getTLSTicket());
            socket.destroy();
        });
        socket.once("error", reject);
    });
}
