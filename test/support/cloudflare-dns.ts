/** The part of Cloudflare's API that cloudflare-dns.sh asks, and the way there: a proxy for HTTPS that leads to it alone. */
import { once } from "node:events";
import { createServer as createProxy } from "node:http";
import { createServer } from "node:https";
import { type AddressInfo, connect, type Socket } from "node:net";
import { issue, type KeyPair } from "../../rehearsal/pki";

/** The double. */
export interface CloudflareDns {
    /** What HTTPS_PROXY has to be: scripts have the API's address built in. */
    readonly proxy: string;
    /** Texts that there are now, by name. */
    readonly texts: Readonly<Record<string, string[]>>;
    /** Names of all records that were ever entered. */
    readonly entered: readonly string[];
    close(): Promise<void>;
}

const API = "api.cloudflare.com";

/** Starts it with one zone, whose records the bearer of `token` may change. @param ca Signs the API's certificate. */
export async function startCloudflareDns(ca: KeyPair, zoneId: string, token: string): Promise<CloudflareDns> {
    const texts: Record<string, string[]> = {};
    const entered: string[] = [];
    const records = `/client/v4/zones/${zoneId}/dns_records`;
    const api = createServer(issue(ca, [API]), async (request, response) => {
        let body = "";
        for await (const chunk of request) body += chunk;
        const say = (status: number, result: object | null, errors: object[] = []) =>
            response
                .writeHead(status, { "content-type": "application/json" })
                .end(JSON.stringify({ result, success: status === 200, errors, messages: [] }));
        const { method, url = "", headers } = request;
        if (headers.authorization !== `Bearer ${token}`) {
            return say(403, null, [{ code: 9109, message: "Invalid access token" }]);
        }
        if (method === "POST" && url === records) {
            const { type, name, content } = JSON.parse(body) as Record<"type" | "name" | "content", string>;
            const id = (entered.push(name) - 1).toString(16).padStart(32, "0");
            texts[name] = [content];
            return say(200, { id, type, name, content, meta: {}, tags: [] });
        }
        const name = entered[Number.parseInt(url.slice(records.length + 1), 16)];
        if (method !== "DELETE" || name === undefined) return say(404, null, [{ code: 7003, message: "No route" }]);
        delete texts[name];
        return say(200, { id: url.slice(records.length + 1) });
    });
    const proxy = createProxy().on("connect", (_, client: Socket) => {
        const there = connect((api.address() as AddressInfo).port, "127.0.0.1", () => {
            client.write("HTTP/1.1 200 OK\r\n\r\n");
            there.pipe(client).pipe(there);
        });
        for (const socket of [client, there]) socket.on("error", () => [client, there].map((each) => each.destroy()));
    });
    for (const server of [api, proxy]) await once(server.listen(0, "127.0.0.1"), "listening");
    return {
        proxy: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`,
        texts,
        entered,
        close: async () => {
            api.closeAllConnections();
            for (const server of [proxy, api]) await new Promise((closed) => server.close(closed));
        },
    };
}
