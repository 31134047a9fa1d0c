/**
 * A thin link in user space: TCP on 127.0.0.1 with a delay, and a rate that all connections share. Connections to it come
 * about at once; over the tests' far link (rehearsal/far-link.ts) they take their round trips, too.
 */
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

/** Bytes on their way in one direction of one connection; more make the sender wait, as a full pipe does. */
const IN_FLIGHT = 512 * 1024;

export interface LinkOptions {
    /** There and back, milliseconds. */
    readonly roundTripMs: number;
    /** Towards home, all connections together. */
    readonly bytesPerSecond: number;
}

export class ThinLink {
    /** When the last byte of what is on its way towards home will have passed. */
    private busyUntil = 0;
    private readonly sockets = new Set<Socket>();
    private blackHole = false;

    private constructor(
        private readonly server: Server,
        private readonly options: LinkOptions,
    ) {}

    /** Opens a link to `port` on 127.0.0.1. */
    static async open(port: number, options: LinkOptions): Promise<ThinLink> {
        const server = createServer({ pauseOnConnect: true });
        const link = new ThinLink(server, options);
        server.on("connection", (near) => link.join(near, connect(port, "127.0.0.1")));
        await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
        return link;
    }

    get port(): number {
        return (this.server.address() as AddressInfo).port;
    }

    private join(near: Socket, far: Socket): void {
        for (const socket of [near, far]) {
            this.sockets.add(socket);
            socket.on("close", () => this.sockets.delete(socket));
            socket.on("error", () => socket.destroy());
        }
        if (this.blackHole) return;
        this.carry(near, far, () => performance.now());
        this.carry(far, near, (bytes) => {
            this.busyUntil = Math.max(this.busyUntil, performance.now()) + (bytes / this.options.bytesPerSecond) * 1000;
            return this.busyUntil;
        });
    }

    private carry(from: Socket, to: Socket, passedAt: (bytes: number) => number): void {
        const onTheWay: { readonly chunk: Buffer; readonly arrives: number }[] = [];
        let inFlight = 0;
        // One timer for all: two timers of almost the same time may fire in the wrong order.
        const deliver = () => {
            const now = performance.now();
            for (let [next] = onTheWay; next && next.arrives <= now; [next] = onTheWay) {
                onTheWay.shift();
                inFlight -= next.chunk.length;
                if (!to.destroyed && !this.blackHole) to.write(next.chunk);
            }
            if (inFlight <= IN_FLIGHT) from.resume();
            const [next] = onTheWay;
            if (next) setTimeout(deliver, next.arrives - now);
            else if (from.destroyed) to.end();
        };
        from.on("data", (chunk: Buffer) => {
            inFlight += chunk.length;
            if (inFlight > IN_FLIGHT) from.pause();
            onTheWay.push({ chunk, arrives: passedAt(chunk.length) + this.options.roundTripMs / 2 });
            if (onTheWay.length === 1) deliver();
        });
        // An end arrives after what was sent before it.
        from.on("close", () => onTheWay.length === 0 && to.end());
        from.resume();
    }

    /** The line is cut: connections end, new ones are refused. */
    async cut(): Promise<void> {
        for (const socket of this.sockets) socket.destroy();
        await new Promise((resolve) => this.server.close(resolve));
    }

    /** Takes connections and bytes, and lets nothing through. */
    swallow(): void {
        this.blackHole = true;
    }
}
