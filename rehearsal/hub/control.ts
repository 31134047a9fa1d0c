/**
 * The Hub double's control API, for a double that runs as a process of its own. Plain HTTP and open to everybody who
 * can reach it: it belongs on a network that the parts under test are not on, or on loopback.
 *
 *     GET    /healthz    200 when the double listens
 *     GET    /requests   the requests so far
 *     DELETE /requests   forget them
 *     PUT    /faults     the faults from now on, a JSON list
 *     DELETE /faults     no faults from now on
 */
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import type { Fault } from "./faults";
import type { Hub } from "./hub";

/** A running control API. */
export interface Control {
    readonly port: number;
    close(): Promise<void>;
}

/** Serves the control API of `hub`. Port 0: any free one. Rejects when the address or port cannot be had. */
export async function startControl(hub: Hub, host: string, port: number): Promise<Control> {
    const server = createServer((request, response) => {
        answer(hub, request)
            .catch((error: Error) => ({ status: 400, body: { error: error.message } }))
            .then(({ status, body }) => {
                response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
            });
    });
    await new Promise<void>((resolve, reject) => server.once("error", reject).listen(port, host, resolve));
    return { port: (server.address() as AddressInfo).port, close: () => close(server) };
}

async function answer(hub: Hub, request: IncomingMessage): Promise<{ status: number; body: unknown }> {
    const done = { status: 200, body: {} };
    switch (`${request.method} ${request.url}`) {
        case "GET /healthz":
            return done;
        case "GET /requests":
            return { status: 200, body: hub.requests };
        case "DELETE /requests":
            hub.requests.length = 0;
            return done;
        case "PUT /faults":
            hub.faults.splice(0, hub.faults.length, ...readFaults(await text(request)));
            return done;
        case "DELETE /faults":
            hub.faults.length = 0;
            return done;
        default:
            return { status: 404, body: { error: `${request.method} ${request.url} is not part of the control API` } };
    }
}

/** Only the outer shape: whoever writes faults by hand sees at the first request what they do. */
function readFaults(body: string): Fault[] {
    const faults: unknown = JSON.parse(body);
    const isFault = (fault: Partial<Fault>) => fault?.match !== undefined && fault.action?.kind !== undefined;
    if (Array.isArray(faults) && faults.every(isFault)) return faults;
    throw new Error('faults are a list of { "match": { … }, "action": { "kind": … } }');
}

async function close(server: Server): Promise<void> {
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    server.closeAllConnections();
    await closed;
}
