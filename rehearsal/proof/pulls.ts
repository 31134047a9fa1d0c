/** The steps of the proof that are pulls: what a user's machines would see of the mirror and its relays. */
import { strict as assert } from "node:assert";
import { DOWNLOAD_LIMITS } from "../../services/uplink/download";
import type { ProofImage } from "../catalogue";
import type { PlatformImage } from "../hub/image";
import type { BrokenFile } from "../operation";
import { eventually } from "../run";
import { reference } from "../scene";
import { manifestBytes, measured as measuredOn, platformOf } from "./measured";
import type { Finding, ProofInputs, StepOf } from "./step";

const HERD = 8;
const SHORT_OF_WHOLE = 0.5;
const RANGE_SLACK = 2 * 1024 * 1024;
const PULL_SECONDS = 180;
const BROKEN: readonly BrokenFile[] = [
    { resource: "onprem-front", file: "nginx.conf" },
    { resource: "onprem-uplink", file: "uplink.json" },
];

/** Pulls, with relays that die and lie in between; each step leaves all relays well. */
export function pullSteps({ scene, catalogue, program }: ProofInputs): Record<string, StepOf> {
    const { images } = catalogue;
    const { relays, hub } = scene;
    const [first, second = first] = relays;
    if (!first || !second) throw new Error("the proof needs a relay");
    const atHome = (step: () => Promise<Finding>): StepOf => ({ needs: ["an on-prem site"], step });
    const withTwo = (step: () => Promise<Finding>): StepOf => ({ needs: ["an on-prem site", "two relays"], step });

    const measured = (work: () => Promise<unknown>, image?: PlatformImage) => measuredOn(scene, work, image);
    const one = (name: ProofImage, platform = "linux/amd64"): PlatformImage => platformOf(images[name], platform);
    const pullsRight = async (role: "client-1" | "client-2", name: ProofImage) => {
        assert.equal(await scene.pull(role, reference(images[name])), one(name).config.digest, "config digest");
    };

    return {
        "cold pull through relay 1 by dockerd": atHome(async () => {
            await hub.clearRequests();
            const image = one("cold");
            const found = await measured(() => pullsRight("client-1", "cold"), image);
            const said = await scene.exec("client-1", [
                "docker",
                "run",
                "--rm",
                "--network",
                "none",
                reference(images.cold),
            ]);
            assert.equal(said.trim(), "hello from docker.io/library/cold");
            for (const blob of [image.config, ...image.layers]) {
                const got = (await hub.requests()).filter(
                    ({ role, method, path }) =>
                        role === "cdn" && method === "GET" && path.includes(blob.digest.slice(7)),
                );
                assert.equal(got.length, 1, `requests for ${blob.digest} at the CDN`);
            }
            assert.ok(
                found.linkBytes <= image.size * 1.02 + manifestBytes(catalogue, images.cold),
                `${found.linkBytes} bytes on the link for ${image.size}`,
            );
            return { ...found, relay: first.name };
        }),
        "same image, second client": atHome(async () => {
            const found = await measured(() => pullsRight("client-2", "cold"), one("cold"));
            assert.equal(found.linkBytes, 0, "bytes on the link");
            assert.ok(found.linkRequests <= 1, `${found.linkRequests} requests on the link`);
            return found;
        }),
        "herd: 8 clients at once": atHome(async () => {
            const image = one("herd");
            const source = `docker://${scene.mirror}/${images.herd.repository}:${images.herd.tag}`;
            const herd = `for i in $(seq ${HERD}); do skopeo copy --quiet ${source} dir:/tmp/herd-$i & pids="$pids $!"; done; for p in $pids; do wait $p || exit 1; done`;
            const found = await measured(() => scene.exec("client-1", ["sh", "-c", herd]), image);
            const config = image.config.digest.slice("sha256:".length);
            const whole = await scene.exec("client-1", [
                "sh",
                "-c",
                `sha256sum /tmp/herd-*/${config}; cat /tmp/herd-*/* | wc -c; rm -r /tmp/herd-*`,
            ]);
            assert.equal(
                whole.split("\n").filter((line) => line.startsWith(config)).length,
                HERD,
                "clients with the right config",
            );
            assert.ok(found.linkBytes <= image.size * 1.05, `${found.linkBytes} bytes on the link for ${image.size}`);
            return { ...found, relay: first.name };
        }),
        "direct pull from relay 1, with and without login": async () => {
            const image = `${first.hostname}/library/cold:1.0`;
            const stranger = await scene.attempt("direct", ["docker", "pull", "--quiet", image]);
            if (first.program.names.isPublic) {
                assert.equal(stranger.code, 0, stranger.stderr);
                await scene.forget("direct");
            } else {
                assert.notEqual(stranger.code, 0, "a pull without a login succeeded");
                assert.match(stranger.stderr, /unauthorized|no basic auth credentials/i);
                const wrong = await scene.login(first, "wrong");
                assert.notEqual(wrong.code, 0, "a login with a wrong password succeeded");
            }
            const right = await scene.login(first, first.key);
            assert.equal(right.code, 0, right.stderr);
            assert.equal(await scene.pull("direct", image), one("cold").config.digest);
            return { relay: first.name, note: firstLine(stranger.stderr) };
        },
        "relay 1 stopped, a new image": withTwo(async () => {
            await scene.stop(first);
            const before = await scene.bytesThrough(second);
            const found = await measured(() => pullsRight("client-1", "failover"), one("failover"));
            assert.ok(
                (await scene.bytesThrough(second)) - before >= one("failover").size,
                "the image did not come through relay 2",
            );
            return { ...found, relay: second.name };
        }),
        "relay 1 killed in the middle of a 120 MB layer": withTwo(async () => {
            await scene.start(first);
            const image = one("cut");
            await hub.setFaults([{ match: { role: "cdn" }, action: { kind: "throttle", bytesPerSecond: 12_000_000 } }]);
            const before = await scene.bytesThrough(first);
            const found = await measured(async () => {
                const pulled = pullsRight("client-1", "cut");
                // The rejection is looked at below; without this Node would end the process first.
                pulled.catch(() => {});
                await eventually("half of the layer is here", PULL_SECONDS, async () =>
                    (await scene.bytesThrough(first)) - before > image.size * SHORT_OF_WHOLE ? true : undefined,
                );
                await scene.kill(first);
                await hub.clearFaults();
                await pulled;
            }, image);
            const extra = found.linkBytes - image.size;
            assert.ok(
                extra <= Math.max(image.size * 0.02, RANGE_SLACK * DOWNLOAD_LIMITS.ranges),
                `${extra} bytes more than the image`,
            );
            return { ...found, relay: `${first.name} → ${second.name}`, note: `${extra} bytes extra` };
        }),
        "a relay that hands out wrong bytes": withTwo(async () => {
            await scene.start(first);
            const image = one("lied");
            const layer = image.layers.reduce((largest, next) => (next.size > largest.size ? next : largest));
            await hub.setFaults([
                { match: { role: "cdn", path: layer.digest.slice(7), times: 1 }, action: { kind: "wrong-bytes" } },
            ]);
            const before = await scene.bytesThrough(second);
            const found = await measured(() => pullsRight("client-1", "lied"), image);
            await hub.clearFaults();
            const right = (await scene.bytesThrough(second)) - before;
            assert.ok(right >= layer.size, `${right} bytes of the right ${layer.size} came through relay 2`);
            const log = await scene.onprem.run(["logs", "dockermirror-uplink"]);
            const named = log
                .split("\n")
                .filter(
                    (line) => line.includes(layer.digest) && line.includes(`"${first.name}"`) && /digest/i.test(line),
                );
            assert.ok(named.length > 0, "the uplink's log does not name the liar");
            return { ...found, relay: `${first.name} → ${second.name}` };
        }),
        "multi-arch index, amd64 and arm64": atHome(async () => {
            await scene.healthy(first);
            await scene.forget("client-2");
            for (const platform of ["linux/arm64", "linux/amd64"]) {
                const id = await scene.pull("client-2", reference(images.cold), ["--platform", platform]);
                assert.equal(id, one("cold", platform).config.digest, platform);
            }
            return {};
        }),
        "same name on two upstreams": atHome(async () => {
            const hubTool = one("hubTool").config.digest;
            const ghcrTool = one("ghcrTool").config.digest;
            assert.notEqual(hubTool, ghcrTool);
            assert.equal(await scene.pull("client-1", "acme/tool:1.0"), hubTool, "without a registry");
            assert.equal(await scene.pull("client-1", `${scene.mirror}/ghcr.io/acme/tool:1.0`), ghcrTool, "by prefix");
            const manifest = async (query: string) =>
                JSON.parse(
                    await scene.exec("client-1", [
                        ...["curl", "-sS", "--fail", "--cacert", `/etc/docker/certs.d/${scene.mirror}/ca.crt`],
                        ...["-H", "Accept: application/vnd.oci.image.manifest.v1+json"],
                        `https://${scene.mirror}/v2/acme/tool/manifests/1.0${query}`,
                    ]),
                ).config.digest;
            assert.equal(await manifest("?ns=ghcr.io"), ghcrTool, "by ns=ghcr.io");
            assert.equal(await manifest("?ns=docker.io"), hubTool, "by ns=docker.io");
            return {};
        }),
        "second image on the same base, spool emptied": atHome(async () => {
            await pullsRight("client-1", "sharedBase");
            await scene.onprem.run(["stop", "dockermirror-uplink"]);
            await scene.exec("onprem", ["sh", "-c", "rm -rf /var/lib/docker/volumes/dockermirror-spool/_data/*"]);
            await scene.onprem.run(["start", "dockermirror-uplink"]);
            await eventually("the uplink answers", PULL_SECONDS, async () =>
                (await scene.uplink("/healthz")) ? true : undefined,
            );
            await scene.forget("client-1");
            const image = one("child");
            const base = new Set(one("sharedBase").layers.map(({ digest }) => digest));
            const own = [image.config, ...image.layers]
                .filter(({ digest }) => !base.has(digest))
                .reduce((sum, { size }) => sum + size, 0);
            const found = await measured(() => pullsRight("client-1", "child"), image);
            assert.ok(
                found.linkBytes <= own + manifestBytes(catalogue, images.child),
                `${found.linkBytes} bytes on the link, ${own} are not in the base`,
            );
            return { ...found, note: `${own} bytes are not in the base` };
        }),
        "a broken snippet in the conf of front and uplink": atHome(async () => {
            const messages: string[] = [];
            for (const broken of BROKEN) messages.push(firstLine(said(await program.refusal(broken))));
            await scene.forget("client-2");
            await pullsRight("client-2", "cold");
            // The trials that failed are run again.
            await program.again();
            return { note: messages.join(" | ") };
        }),
        "every relay stopped, cached image by tag and by digest": atHome(async () => {
            for (const relay of relays) await scene.stop(relay);
            await scene.forget("client-2");
            const seconds: number[] = [];
            const { repository, made } = images.herd;
            for (const name of [`${repository}:1.0`, `${repository}@${made.digest}`]) {
                const started = Date.now();
                assert.equal(await scene.pull("client-2", name), one("herd").config.digest, name);
                seconds.push((Date.now() - started) / 1000);
                await scene.forget("client-2");
            }
            return { seconds: seconds[0], note: `later ${seconds[1]?.toFixed(1)} s` };
        }),
        "every relay stopped, every on-prem container restarted": atHome(async () => {
            const started = Date.now();
            await scene.onprem.run([
                "restart",
                "--time",
                "5",
                "dockermirror-uplink",
                "dockermirror-cache",
                "dockermirror-front",
            ]);
            await eventually("the mirror answers", PULL_SECONDS, async () => {
                const { code } = await scene.attempt("client-1", [
                    "curl",
                    "-s",
                    "--fail",
                    "--cacert",
                    `/etc/docker/certs.d/${scene.mirror}/ca.crt`,
                    `https://${scene.mirror}/healthz`,
                ]);
                return code === 0 ? true : undefined;
            });
            await pullsRight("client-2", "herd");
            const found = { seconds: (Date.now() - started) / 1000 };
            for (const relay of relays) await scene.start(relay);
            return found;
        }),
    };
}

/** What a failed command has said: its first line is the provider's, with all of the command in it. */
function said(message: string): string {
    return message.slice(message.indexOf("\n") + 1);
}

function firstLine(text: string): string {
    return text.trim().split("\n")[0] ?? "";
}
