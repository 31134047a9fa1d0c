/**
 * An upstream's faults by the whole chain: the uplink, real relays, the Hub double; with the relays of this release, of
 * 0.3.0, and one of each. No engine and no client of a user's is asked here.
 */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { FaultAction, FaultMatch } from "../../../rehearsal/hub/faults";
import { type Hub, startHub } from "../../../rehearsal/hub/hub";
import { makeImage } from "../../../rehearsal/hub/image";
import { ImageStore, OCI_INDEX, OCI_MANIFEST } from "../../../rehearsal/hub/store";
import { HUB_HOSTS } from "../../../rehearsal/hub/upstream-hosts";
import { issue, makeCa } from "../../../rehearsal/pki";
import { parseConfig } from "../../../services/uplink/config";
import { startUplink, type Uplink } from "../../../services/uplink/uplink";
import { earlierRelays } from "../../support/earlier-relays";
import { startNginxRelay } from "../../support/nginx-relay";
import type { RelayUnderTest, StartRelay } from "../../support/relay";
import { startWorkerRelay } from "../../support/worker-relay";

const HUB_ADDRESS = `127.86.${(process.pid >> 8) & 255}.${process.pid & 255}`;
const KEY = "C3lQr8As1tU6vWx3yZc5dEf7gHi9jKl2mNo4pQr6";
const earlier = earlierRelays("0.3.0");

const ACCEPT = { accept: `${OCI_INDEX}, ${OCI_MANIFEST}` };
const TAG = (repository: string) => `/v2/${repository}/manifests/1`;

for (const [what, starts, marks] of [
    ["this release", [startNginxRelay, startWorkerRelay], true],
    ["0.3.0", [earlier.startNginx, earlier.startWorker], false],
    ["this release and 0.3.0", [startNginxRelay, earlier.startWorker], false],
] as [string, [StartRelay, StartRelay], boolean][]) {
    describe(`Uplink, an upstream's faults by relays of ${what}`, function () {
        this.timeout(120_000);

        let folder: string;
        let hub: Hub;
        let relays: RelayUnderTest[] = [];
        let uplink: Uplink;
        const lines: [message: string, fields: Record<string, unknown>][] = [];

        before(async () => {
            folder = await mkdtemp(join(tmpdir(), "relays-chain-"));
            const store = new ImageStore(join(folder, "hub"));
            for (const upstream of ["docker.io", "ghcr.io", "nvcr.io"]) {
                for (const name of ["app", "other", "odd", "token403", "token404", "token405"]) {
                    const layers = [{ bytes: 1000, seed: `${upstream} ${name}` }];
                    await makeImage(store, { upstream, repository: `acme/${name}`, tag: "1", layers });
                }
            }
            const ca = makeCa("relays chain");
            hub = await startHub({ store, ...issue(ca, HUB_HOSTS), host: HUB_ADDRESS });
            const options = { hub, hubAddress: HUB_ADDRESS, ca, keys: { "acme.1": KEY } };
            relays = await Promise.all(starts.map((start) => start(options)));
        });
        beforeEach(async () => {
            const config = {
                port: 0,
                upstreams: ["docker.io", "ghcr.io", "nvcr.io"],
                relays: relays.map(({ hostname, origin, ca }, index) => ({
                    name: index === 0 ? "vm" : "worker",
                    url: `https://${hostname}:${new URL(origin).port}`,
                    key: KEY,
                    address: "127.0.0.1",
                    ca,
                })),
                // Each test begins with nothing known.
                spool: { path: await mkdtemp(join(folder, "spool-")), budgetGiB: 1 },
                tagSeconds: 0,
            };
            lines.length = 0;
            uplink = await startUplink(
                parseConfig(JSON.stringify(config), "test"),
                (_, message, fields = {}) => lines.push([message, fields]),
                { answerMs: 4000, upstreamProbeMs: 2000, homeMs: 1500 },
            );
        });
        afterEach(async () => {
            await uplink.close();
            hub.clear();
        });
        after(async () => {
            for (const relay of relays) await relay.stop();
            await hub?.close();
            await rm(folder, { recursive: true, force: true });
        });

        const ask = async (path: string, method = "GET") => {
            const answer = await fetch(`http://127.0.0.1:${uplink.port}${path}`, { method, headers: ACCEPT });
            return { status: answer.status, text: await answer.text(), headers: answer.headers };
        };
        const conditions = async () =>
            JSON.parse((await ask("/status")).text).relays.map((each: any) => each.condition);
        const everywhere = (action: FaultAction, match: FaultMatch = {}) => hub.faults.push({ match, action });
        /** The relays are well, and the first one is asked for another image and another upstream. */
        const nobodyNoticed = async () => {
            assert.deepEqual(await conditions(), ["well", "well"]);
            for (const path of ["acme/other", "ghcr.io/acme/app"]) assert.equal((await ask(TAG(path))).status, 200);
            assert.deepEqual(
                lines.filter(([message]) => message.startsWith("relay rests")),
                [],
            );
        };

        it("are none where there are none", async () => {
            for (const path of ["acme/app", "ghcr.io/acme/app", "nvcr.io/acme/app"]) {
                assert.equal((await ask(TAG(path))).status, 200);
            }
            await nobodyNoticed();
        });

        // What relays of 0.3.0 make of others is a 502 that says nothing.
        for (const status of marks ? [400, 402, 403, 405, 406, 410, 415, 418, 422, 423, 425, 451, 500] : [403]) {
            it(`that are ${status} for one image leave the relays well, however often`, async () => {
                const body = '{"errors":[{"code":"DENIED"}]}';
                const headers = { "content-type": "application/json" };
                everywhere({ kind: "status", status, body, headers }, { path: "/v2/acme/odd/" });
                const allowed = status === 403 ? [403, 404] : [status];
                for (let count = 0; count < 4; count++) {
                    for (const method of ["HEAD", "GET"]) {
                        const got = (await ask(TAG("acme/odd"), method)).status;
                        assert.ok(allowed.includes(got), String(got));
                    }
                }
                await nobodyNoticed();
            });
        }

        if (marks) {
            it("that are a 404 with a page are a 404", async () => {
                const headers = { "content-type": "text/html" };
                everywhere({ kind: "status", status: 404, body: "<html></html>", headers }, { path: "/acme/odd/" });
                for (const method of ["HEAD", "GET"]) assert.equal((await ask(TAG("acme/odd"), method)).status, 404);
                await nobodyNoticed();
            });

            for (const status of [403, 404, 405]) {
                it(`that are ${status} of the token service are that image's`, async () => {
                    const headers = { "content-type": "application/json" };
                    // Of an image of its own: relays keep tokens.
                    const image = `acme/token${status}`;
                    everywhere(
                        { kind: "status", status, body: "{}", headers },
                        { role: "token", path: `token${status}` },
                    );
                    for (let count = 0; count < 4; count++) {
                        const got = (await ask(TAG(image))).status;
                        assert.ok(got >= 400 && got < 500, String(got));
                    }
                    await nobodyNoticed();
                });
            }

            it("that are a redirect to an unknown host are named, and held against nobody", async () => {
                const location = "https://cdn.new.example/blob";
                everywhere({ kind: "redirect", location }, { path: "/v2/acme/odd/" });
                for (let count = 0; count < 4; count++) {
                    const { status, text } = await ask(TAG("acme/odd"));
                    assert.equal(status, 502);
                    assert.match(text, /cdn\.new\.example/);
                }
                const { refusedRedirects } = JSON.parse((await ask("/status")).text);
                assert.deepEqual([refusedRedirects[0].host, refusedRedirects[0].times], ["cdn.new.example", 4]);
                await nobodyNoticed();
            });
        }

        it("that are limits until far away are kept an hour, and to what was limited", async () => {
            const headers = { "retry-after": String(Math.floor(Date.now() / 1000) + 99_999) };
            everywhere({ kind: "status", status: 429, headers }, { path: "/v2/acme/odd/manifests" });
            const { status, headers: got } = await ask(TAG("acme/odd"));
            assert.equal(status, 429);
            const seconds = Number(got.get("retry-after"));
            // The relay of 0.3.0 may have put its own 60 in the place of what it could not read.
            assert.ok(seconds > (marks ? 3500 : 0) && seconds <= 3600, String(seconds));
            assert.deepEqual(await conditions(), ["well", "well"]);
            assert.equal((await ask(TAG("ghcr.io/acme/app"))).status, 200);
        });

        it("that are wrong bytes of the CDN are an error for that blob alone", async () => {
            const manifest = JSON.parse((await ask(TAG("acme/odd"))).text);
            const of = manifest.manifests
                ? JSON.parse((await ask(`/v2/acme/odd/manifests/${manifest.manifests[0].digest}`)).text)
                : manifest;
            everywhere({ kind: "wrong-bytes" }, { role: "cdn" });
            for (let count = 0; count < 3; count++) {
                assert.equal((await ask(`/v2/acme/odd/blobs/${of.layers[0].digest}`)).status, 502);
            }
            await nobodyNoticed();
        });

        it("that are silence leave tags what they stood for, and other upstreams and relays alone", async () => {
            for (const name of ["acme/app", "acme/other"]) assert.equal((await ask(TAG(name))).status, 200);
            everywhere({ kind: "hang" }, { host: "registry-1.docker.io" });
            const timed = async (path: string, method: string) => {
                const began = performance.now();
                const { status } = await ask(path, method);
                return [status, performance.now() - began] as const;
            };
            const [status, ms] = await timed(TAG("acme/app"), "HEAD");
            assert.ok(status === 200 && ms < 3000, `${status} after ${ms} ms`);
            for (const name of ["acme/other", "acme/app"]) {
                for (const method of ["GET", "HEAD"]) {
                    const [again, quick] = await timed(TAG(name), method);
                    assert.ok(again === 200 && quick < 1000, `${again} after ${quick} ms`);
                }
            }
            assert.equal((await ask(TAG("acme/odd"))).status, 503);
            const [unknown, quick] = await timed(TAG("acme/odd"), "GET");
            assert.ok(unknown === 503 && quick < 1000, `${unknown} after ${quick} ms`);
            assert.equal((await ask(TAG("ghcr.io/acme/app"))).status, 200);
            assert.deepEqual(await conditions(), ["well", "well"]);
        });
    });
}
