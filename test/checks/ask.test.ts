/** Questions over HTTP: the reasons that are told when no answer comes. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { Agent } from "undici";
import { ask } from "../../checks/ask";
import { issue } from "../../rehearsal/pki";
import { testCa } from "../support/fake-relay";
import { CLOSED, Double, listen, worldOf } from "../support/world";

describe("A question", () => {
    it("gets status and text, redirects followed", async () => {
        const double = await Double.start(({ path }) => (path === "/a" ? [203, "text"] : undefined));
        const { header, ...answer } = await ask(worldOf({}), { url: `${double.url}/a` });
        assert.deepEqual(answer, { status: 203, text: "text" });
        assert.deepEqual([header("Transfer-Encoding"), header("Etag")], ["chunked", null]);
        const { status, text } = await ask(worldOf({}), { url: `${double.url}/b`, statusOnly: true });
        assert.deepEqual({ status, text }, { status: 404, text: "" });
        await double.stop();
    });

    it("tells a closed port", async () => {
        await assert.rejects(ask(worldOf({}), { url: CLOSED }), /^Error: the connection is refused$/);
    });

    it("tells a name that nobody knows", async () => {
        const unknown = Object.assign(new Error("unknown"), { code: "ENOTFOUND" });
        const dispatcher = new Agent({ connect: { lookup: (_, __, found) => found(unknown, "", 4) } });
        const asked = ask(worldOf({ dispatcher }), { url: "http://nobody.test/" });
        await assert.rejects(asked, /^Error: its name is not found$/);
    });

    it("tells a black hole, within its time", async () => {
        const { port, server } = await listen(() => {});
        const where = worldOf({ seconds: 0.2 });
        await assert.rejects(ask(where, { url: `http://127.0.0.1:${port}/` }), /^Error: no answer within 0.2 s$/);
        server.close();
    });

    it("tells a connection that is cut", async () => {
        const { port, server } = await listen((socket) => socket.once("data", () => socket.destroy()));
        await assert.rejects(ask(worldOf({}), { url: `http://127.0.0.1:${port}/` }), /^Error: the connection is cut$/);
        server.close();
    });

    it("tells a certificate that nobody vouches for", async () => {
        const server = createServer(issue(testCa(), ["localhost"])).listen(0, "127.0.0.1");
        await once(server, "listening");
        const url = `https://localhost:${(server.address() as AddressInfo).port}/`;
        await assert.rejects(ask(worldOf({}), { url }), /its certificate is not trusted \(\w+\): something answers/);
        server.close();
    });
});
