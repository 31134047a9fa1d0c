/**
 * The OCI distribution spec's own conformance suite, as far as it asks a registry that takes no pushes, of all that answers
 * pulls: both relays, the uplink behind one of them, and the front before uplink and a real cache. Nothing of odd upstreams.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, request as httpRequest, type Server } from "node:http";
import { request as httpsRequest } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildGo, goProgram, requiredVersion } from "../rehearsal/go-programs";
import { type Hub, startHub } from "../rehearsal/hub/hub";
import { type MadeImage, makeImage } from "../rehearsal/hub/image";
import { ImageStore, OCI_MANIFEST } from "../rehearsal/hub/store";
import { HUB_HOSTS } from "../rehearsal/hub/upstream-hosts";
import { issue, type KeyPair, makeCa } from "../rehearsal/pki";
import { attempt } from "../rehearsal/run";
import { FakeContent } from "./support/fake-relay";
import { startNginxRelay } from "./support/nginx-relay";
import { Office } from "./support/office";
import type { Listening, RelayUnderTest } from "./support/relay";
import { startWorkerRelay } from "./support/worker-relay";

const HUB_ADDRESS = `127.85.${(process.pid >> 8) & 255}.${process.pid & 255}`;
const KEY = "A1kPq7Zr0sT5uVw2xYb4cDe6fGh8iJk1lMn3oPq5";
/** Of a registry with the referrers API. */
const PLACE = { upstream: "ghcr.io", repository: "acme/app", tag: "1.0" };
const REPOSITORY = `${PLACE.upstream}/${PLACE.repository}`;
const BUILD_MS = 600_000;
/** What the suite counts for the image and the signature below. */
const PASSES = 26;
/** What it asks of a registry that takes no pushes. */
const APIS = [
    "Ping",
    "Tag listing",
    "Blob get",
    "Blob head",
    "Manifest get by digest",
    "Manifest get by tag",
    "Manifest head by digest",
    "Manifest head by tag",
    "Referrers",
];

describe("The OCI conformance suite", function () {
    this.timeout(120_000);

    let folder: string;
    let hub: Hub;
    let ca: KeyPair;
    let image: MadeImage;
    let nginx: RelayUnderTest;
    let worker: RelayUnderTest;
    let office: Office;

    before(async function () {
        this.timeout(BUILD_MS);
        await buildGo("conformance", console.log);
        folder = mkdtempSync(join(tmpdir(), "dockermirror-conformance-"));
        const store = new ImageStore(join(folder, "hub"));
        image = await makeImage(store, {
            ...PLACE,
            platforms: ["linux/amd64", "linux/arm64"],
            layers: [{ bytes: 5000, seed: "conformance" }],
        });
        await attachSignature(store, image);
        ca = makeCa("conformance");
        hub = await startHub({ store, ...issue(ca, HUB_HOSTS), host: HUB_ADDRESS });
        const options = { hub, hubAddress: HUB_ADDRESS, ca, keys: { "acme.1": KEY } };
        nginx = await startNginxRelay(options);
        worker = await startWorkerRelay(options);
        const url = `https://${nginx.hostname}:${new URL(nginx.origin).port}`;
        const relays = [{ name: "vm", url, key: KEY, address: "127.0.0.1", ca: ca.cert }];
        // The fake relay is not asked: the real one is.
        office = await Office.start(new FakeContent(), { engine: "registry 3.1", relays: 1, config: { relays } });
    });
    after(async () => {
        await office?.stop();
        await worker?.stop();
        await nginx?.stop();
        await hub?.close();
        rmSync(folder, { recursive: true, force: true });
    });

    const subjects: Readonly<Record<string, () => { readonly at: Listening; readonly key?: string }>> = {
        "the Nginx relay": () => ({ at: nginx, key: KEY }),
        "the Worker relay": () => ({ at: worker, key: KEY }),
        "the uplink": () => ({ at: { origin: office.bench.origin, hostname: "uplink:5000" } }),
        "the front": () => ({ at: office.listening }),
    };
    for (const [name, subject] of Object.entries(subjects)) {
        it(`is passed by ${name}`, async () => {
            const { at, key } = subject();
            const { says, passed, others } = await conformance(at, key);
            assert.ok(says.includes(requiredVersion(goMod(), MODULE)), says);
            assert.match(says, /^OCI Conformance Result: Pass$/m);
            assert.deepEqual(others, { Skip: 0, FAIL: 0, Error: 0 });
            assert.equal(passed, PASSES);
            for (const api of APIS) assert.match(says, new RegExp(`^  ${api}\\.+: +Pass$`, "m"));
        });
    }

    const MODULE = "github.com/opencontainers/distribution-spec/conformance";
    const goMod = () => readFileSync(join(__dirname, "../rehearsal/go/conformance/go.mod"), "utf8");

    /** Runs the suite against a registry that has the image. */
    async function conformance(at: Listening, key: string | undefined) {
        const door = await openDoor(at);
        const resultsDir = mkdtempSync(join(folder, "results-"));
        const manifests = image.platforms.map(({ manifest }) => manifest.digest);
        const blobs = image.platforms.flatMap(({ config, layers }) => [config, ...layers]);
        try {
            const { stdout, stderr } = await attempt(goProgram("conformance"), [], {
                cwd: folder,
                env: {
                    PATH: process.env.PATH,
                    HOME: folder,
                    OCI_REGISTRY: `127.0.0.1:${(door.address() as AddressInfo).port}`,
                    OCI_TLS: "disabled",
                    OCI_REPO1: REPOSITORY,
                    OCI_VERSION: "1.1",
                    OCI_API_PUSH: "false",
                    OCI_API_BLOBS_DELETE: "false",
                    OCI_API_MANIFESTS_DELETE: "false",
                    OCI_API_TAGS_DELETE: "false",
                    OCI_RESULTS_DIR: resultsDir,
                    OCI_RO_DATA_TAGS: `${PLACE.tag} signature`,
                    OCI_RO_DATA_MANIFESTS: [image.digest, ...manifests].join(" "),
                    OCI_RO_DATA_BLOBS: blobs.map(({ digest }) => digest).join(" "),
                    OCI_RO_DATA_REFERRERS: manifests[0],
                    ...(key === undefined ? {} : { OCI_USERNAME: "dockermirror", OCI_PASSWORD: key }),
                },
            });
            // Its exit code says nothing: without pushes it ends with a crash, after this, when it writes the results to a file.
            const counts = Object.fromEntries(
                [...stdout.matchAll(/^ {2}(Pass|Skip|FAIL|Error)\.+: +(\d+)$/gm)].map(([, what, n]) => [
                    what,
                    Number(n),
                ]),
            );
            const { Pass: passed, ...others } = counts;
            return { says: `${stdout}\n${stderr}`, passed, others };
        } finally {
            door.closeAllConnections();
            door.close();
        }
    }
});

/** A signature of the image, as `oras attach` makes it. */
async function attachSignature(store: ImageStore, image: MadeImage): Promise<void> {
    const artifactType = "application/vnd.dev.sigstore.bundle.v0.3+json";
    const { digest = "", size = 0 } = image.platforms[0]?.manifest ?? {};
    const config = {
        mediaType: "application/vnd.oci.empty.v1+json",
        digest: await store.addBlob(Buffer.from("{}")),
        size: 2,
    };
    const subject = { mediaType: OCI_MANIFEST, digest, size };
    const manifest = { schemaVersion: 2, mediaType: OCI_MANIFEST, artifactType, config, layers: [config], subject };
    const signature = await store.addBlob(Buffer.from(JSON.stringify(manifest)));
    store.tag(PLACE.upstream, PLACE.repository, "signature", signature);
}

/** Passes requests on by the name that only the tests' resolver knows, and over TLS, which the suite would have to trust. */
async function openDoor({ origin, hostname, ca }: Listening): Promise<Server> {
    const { protocol, hostname: host, port } = new URL(origin);
    const ask = protocol === "https:" ? httpsRequest : httpRequest;
    const server = createServer((incoming, response) => {
        const headers = { ...incoming.headers, host: hostname };
        const options = { host, port, method: incoming.method, path: incoming.url, headers, ca, agent: false };
        const passedOn = ask({ ...options, servername: hostname }, (answer) => {
            response.writeHead(answer.statusCode ?? 0, answer.headers);
            answer.pipe(response);
        });
        passedOn.once("error", () => response.destroy());
        incoming.pipe(passedOn);
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return server;
}
