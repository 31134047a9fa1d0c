/**
 * That relays far away are used: over a link with a round trip as from China to Cloudflare, on which SYNs get lost, by
 * names with IPv4 and IPv6 addresses. In real network namespaces, with the uplink's own times.
 */
import assert from "node:assert/strict";
import type { LinkQuality } from "../../../rehearsal/far-link";
import { eventually } from "../../support/eventually";
import { digestOf, FakeContent, randomBytes } from "../../support/fake-relay";
import { A, AAAA, FarUplink, NO_ROUTE } from "../../support/far-uplink";

const layer = randomBytes(300_000, "layer");
const tag = (index: number) => `/v2/library/app/manifests/${index}`;
/** At once, each on a connection of its own. */
const PULLS = 8;
const BLOB = `/v2/library/app/blobs/${digestOf(layer)}`;

describe("Uplink, a far link", function () {
    this.timeout(120_000);
    let far: FarUplink;

    afterEach(() => far.stop());

    async function start(quality: LinkQuality, ...names: (readonly string[])[]): Promise<void> {
        const content = new FakeContent();
        for (let index = 0; index < 40; index++) content.image("library/app", String(index), [layer]);
        far = await FarUplink.start(content, { names, quality });
    }

    /** Asks for several tags at once, each on a connection of its own. */
    async function pulls(count: number, from = 0): Promise<number[]> {
        const answers = await Promise.all(Array.from({ length: count }, (_, index) => far.get(tag(from + index))));
        return answers.map(({ status }) => status);
    }

    /** Nothing failed, of any relay, not even for a moment. */
    async function assertWell(): Promise<void> {
        assert.deepEqual(far.logged("relay rests"), []);
        assert.deepEqual(new Set(await far.conditions()), new Set(["well"]));
    }

    const served = (count: number) => new Array(count).fill(200);

    const [a1, a2, a3, a4] = A;
    const [aaaa1, aaaa2] = AAAA;
    const far300 = { roundTripMs: 300 };
    const lossy = { roundTripMs: 180, loseSynEvery: 7 };

    for (const { what, quality, names } of [
        { what: "an A and an AAAA at 270 ms", quality: { roundTripMs: 270 }, names: [[a1, aaaa1]] },
        { what: "an A and an AAAA at 300 ms", quality: far300, names: [[a1, aaaa1]] },
        { what: "an A and an AAAA at 600 ms", quality: { roundTripMs: 600 }, names: [[a1, aaaa1]] },
        { what: "an A and an AAAA at 180 ms, one SYN in seven lost", quality: lossy, names: [[a1, aaaa1]] },
        { what: "an A, and no route to its AAAA, at 270 ms", quality: { roundTripMs: 270 }, names: [[a1, NO_ROUTE]] },
        { what: "an A, and no route to its AAAA, at 300 ms", quality: far300, names: [[NO_ROUTE, a1]] },
        { what: "an A, and no route to its AAAA, one SYN in seven lost", quality: lossy, names: [[a1, NO_ROUTE]] },
        {
            // Of each of the connections: a SYN to each address of each of the pulls at once, twice.
            what: "an A alone, the first two SYNs of each connection lost",
            quality: { ...far300, loseNextSyns: 2 * PULLS },
            names: [[a1]],
        },
        {
            what: "an A and an AAAA, the first two SYNs of each connection to each lost",
            quality: { ...far300, loseNextSyns: 4 * PULLS },
            names: [[a1, aaaa1]],
        },
        {
            what: "an A and an AAAA, as another relay has",
            quality: far300,
            names: [
                [a1, aaaa1],
                [a2, aaaa2],
            ],
        },
        {
            what: "an A, and no route to its AAAA, as another relay has",
            quality: far300,
            names: [
                [a1, NO_ROUTE],
                [a2, NO_ROUTE],
            ],
        },
        {
            what: "an AAAA into which everything vanishes",
            quality: { ...far300, silentAddresses: [aaaa1] },
            names: [[aaaa1, a1]],
        },
        {
            what: "an A into which everything vanishes",
            quality: { ...far300, silentAddresses: [a1] },
            names: [[a1, aaaa1]],
        },
        {
            what: "two A and two AAAA of which only the last works",
            quality: { ...far300, silentAddresses: [a1, aaaa1, a2] },
            names: [[a1, aaaa1, a2, aaaa2]],
        },
        {
            what: "four A of which only one works",
            quality: { ...far300, silentAddresses: [a1, a2, a4] },
            names: [[a1, a2, a3, a4]],
        },
    ]) {
        it(`is no reason not to use a relay with ${what}`, async () => {
            await start(quality, ...names);
            assert.deepEqual(await pulls(PULLS), served(PULLS));
            const blob = await far.get(BLOB);
            assert.deepEqual([blob.status, blob.digest], [200, digestOf(layer)]);
            await assertWell();
        });
    }

    for (const [what, address] of [
        ["an A and an AAAA", aaaa1],
        ["an A, and no route to its AAAA", NO_ROUTE],
    ] as const) {
        it(`serves by new connections only, one SYN in twenty lost, with ${what}`, async () => {
            await start({ ...far300, loseSynEvery: 20 }, [a1, address]);
            for (let round = 0; round < 5; round++) {
                assert.deepEqual(await pulls(8, round * 8), served(8));
                far.hangUp();
            }
            assert.ok(far.connections.length >= 40, `${far.connections.length} connections`);
            await assertWell();
        });
    }

    it("brings a relay back after it was cut", async () => {
        const quality = { ...far300, loseSynEvery: 7 };
        await start(quality, [a1, NO_ROUTE]);
        assert.deepEqual(await pulls(2), served(2));
        await far.link.set({ ...quality, cut: true });
        const answer = await far.get(tag(2));
        assert.equal(answer.status, 503);
        assert.deepEqual(await far.conditions(), ["down"]);
        // What is known is answered at once: less than any time of a connection.
        assert.ok((await far.get(tag(3))).ms < 1_000);
        await far.link.set(quality);
        const well = async () => ((await far.conditions())[0] === "well" ? true : undefined);
        await eventually("the relay is well", well, 60_000);
        assert.deepEqual(await pulls(8, 10), served(8));
    });

    it("has a relay that cannot be reached described, with a reason for each address", async () => {
        await start({ ...far300, silentAddresses: [a1] }, [NO_ROUTE, a1]);
        const answer = await far.get(tag(0));
        assert.equal(answer.status, 503);
        const { message } = JSON.parse(answer.body.toString()).errors[0];
        assert.match(message, /2001:db8::1 ENETUNREACH/);
        assert.match(message, /198\.18\.0\.11 no answer within 5 s/);
        assert.equal(far.logged("relay rests")[0]?.kind, "silent");
    });
});
