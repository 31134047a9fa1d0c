/** Relays and the mirror from outside: real TLS on loopback. */
import assert from "node:assert/strict";
import { once } from "node:events";
import type { RequestListener } from "node:http";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { certificateNote, mirrorCheck, relayCheck } from "../../checks/answers";
import { look, Remark } from "../../checks/finding";
import { issue } from "../../rehearsal/pki";
import { testCa } from "../support/fake-relay";

const KEY = "k".repeat(40);
const DAY_MS = 24 * 3600 * 1000;

/** A relay as ours answers. */
const relay: RequestListener = ({ headers }, response) => {
    if (headers["x-relay-key"] === KEY) response.writeHead(200).end("{}");
    else response.writeHead(401, { "WWW-Authenticate": 'Basic realm="localhost"' }).end();
};

async function served<T>(listener: RequestListener, use: (url: string) => Promise<T>, name = "localhost"): Promise<T> {
    const server = createServer(issue(testCa(), [name]), listener).listen(0, "127.0.0.1");
    await once(server, "listening");
    try {
        return await use(`https://localhost:${(server.address() as AddressInfo).port}`);
    } finally {
        server.closeAllConnections();
        server.close();
    }
}

const place = (url: string) => ({ url, ca: testCa().cert, seconds: 5, keyTodo: "ask for another" });

describe("A relay from outside", () => {
    const rows = async (
        listener: RequestListener,
        own: { key?: string; access?: "keys" | "public"; ca?: string } = {},
    ) =>
        served(listener, async (url) => {
            const findings = await look(relayCheck({ ...place(url), access: "keys", key: KEY, ...own }));
            return findings.map(({ what, state, note }) => [what, state, note]);
        });

    it("has a certificate, refuses strangers, lets a key in", async () => {
        const [tls, ...rest] = await rows(relay);
        assert.deepEqual(tls?.slice(0, 2), ["relay: TLS", "ok"]);
        assert.match(tls?.[2] ?? "", /^39[67] days left, until \d{4}-\d\d-\d\d$/);
        assert.deepEqual(rest, [
            ["relay: without a key", "ok", "is refused"],
            ["relay: with a key", "ok", "is let in"],
        ]);
    });

    it("fails without its CA, or under another's name, and nothing more is asked", async () => {
        const states = (found: string[][]) => found.map(([, state]) => state);
        assert.deepEqual(states(await rows(relay, { ca: undefined })), ["failed", "skipped", "skipped"]);
        const findings = await served(
            relay,
            (url) => look(relayCheck({ ...place(url), access: "keys", key: KEY })),
            "other.test",
        );
        assert.match(findings[0]?.note ?? "", /shows another host's certificate/);
    });

    it("fails when it lets strangers in, or knows the stack's key no more", async () => {
        const open = await rows((_, response) => response.writeHead(200).end("{}"));
        assert.deepEqual(open[1], ["relay: without a key", "failed", "/v2/ answers 200 in place of 401"]);
        const old = await rows(relay, { key: "o".repeat(40) });
        assert.deepEqual(old[2], ["relay: with a key", "failed", "/v2/ answers 401 in place of 200"]);
    });

    it("is not taken for something else that refuses", async () => {
        const found = await rows((_, response) => {
            response.writeHead(401, { "WWW-Authenticate": 'Basic realm="router"' }).end();
        });
        assert.equal(found[1]?.[2], 'is refused by something that is not the relay: it asks Basic realm="router"');
    });

    it("lets strangers in where the settings say so", async () => {
        const found = await rows((_, response) => response.writeHead(200).end("{}"), { access: "public" });
        assert.deepEqual(found.slice(1), [["relay: without a key", "ok", "is let in, as the settings say"]]);
    });

    it("of another stack is asked with a key alone, at the address that the settings say", async () => {
        const findings = await served(
            relay,
            (url) =>
                look(
                    relayCheck({ ...place(url.replace("localhost", "relay.test")), address: "127.0.0.1", key: "old" }),
                ),
            "relay.test",
        );
        assert.deepEqual(
            findings.map(({ what, state, todo }) => [what, state, todo]),
            [
                ["relay: TLS", "ok", undefined],
                ["relay: with a key", "failed", "ask for another"],
            ],
        );
    });

    it("that is down is told so", async () => {
        const [row] = await look(relayCheck({ ...place("https://localhost:2"), access: "keys" }));
        assert.deepEqual([row?.state, row?.note], ["failed", "the connection is refused"]);
    });
});

describe("The mirror from outside", () => {
    it("answers its health, or says what it answers", async () => {
        const rows = (status: number) =>
            served(
                ({ url }, response) => response.writeHead(url === "/healthz" ? status : 404).end(),
                async (url) => (await look(mirrorCheck(place(url)))).map(({ state, note }) => [state, note]),
            );
        assert.deepEqual((await rows(200))[1], ["ok", "answers"]);
        assert.deepEqual((await rows(503))[1], ["failed", "/healthz answers 503 in place of 200"]);
    });
});

describe("A certificate", () => {
    const now = Date.parse("2027-01-01T00:00:00Z");
    const left = (days: number, life: number) => {
        const until = new Date(now + days * DAY_MS);
        return { from: new Date(until.getTime() - life * DAY_MS), until };
    };

    it("is good while more than a quarter of its life is left, or 30 days of a long one", () => {
        assert.equal(certificateNote(left(23, 90), now), "23 days left, until 2027-01-24");
        assert.equal(certificateNote(left(2, 6), now), "2 days left, until 2027-01-03");
        assert.equal(certificateNote(left(31, 1825), now), "31 days left, until 2027-02-01");
    });

    it("should have been renewed after that", () => {
        for (const late of [left(22, 90), left(1, 6), left(30, 1825), left(-1, 90)]) {
            assert.throws(
                () => certificateNote(late, now),
                (error) => error instanceof Remark && error.state === "failed",
            );
        }
    });
});
