/** How a host's addresses are tried, by sockets that connect and fail when the test says so, and a clock of its own. */
import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import type { NetConnectOpts, Socket, TcpNetConnectOpts } from "node:net";
import { mock } from "node:test";
import {
    type Address,
    ATTEMPT_DELAY_MS,
    type ConnectFailure,
    connectToAny,
    interleaved,
} from "../../../services/connection/any-address";

const A = ["192.0.2.1", "192.0.2.2", "192.0.2.3"].map((address) => ({ address, family: 4 }));
const AAAA = ["2001:db8::1", "2001:db8::2", "2001:db8::3"].map((address) => ({ address, family: 6 }));

class FakeSocket extends EventEmitter {
    destroyed = false;

    destroy(): this {
        this.destroyed = true;
        return this;
    }

    fail(code: string): void {
        this.emit("error", Object.assign(new Error(`connect ${code}`), { code }));
    }
}

/** One race between attempts. */
class Race {
    readonly started: { readonly host: string | undefined; readonly options: TcpNetConnectOpts }[] = [];
    readonly sockets = new Map<string, FakeSocket>();
    readonly results: { readonly failure: ConnectFailure | undefined; readonly address: string | undefined }[] = [];

    constructor(addresses: readonly Address[], timeoutMs = 5_000) {
        const connect = (options: NetConnectOpts) => {
            const tcp = options as TcpNetConnectOpts;
            const socket = new FakeSocket();
            this.started.push({ host: tcp.host, options: tcp });
            this.sockets.set(tcp.host ?? "", socket);
            return socket as unknown as Socket;
        };
        connectToAny(addresses, { port: 443, timeoutMs, connect }, (failure, _socket, address) => {
            this.results.push({ failure, address: address?.address });
        });
    }

    get hosts(): (string | undefined)[] {
        return this.started.map(({ host }) => host);
    }

    socket({ address }: Address): FakeSocket {
        const socket = this.sockets.get(address);
        assert.ok(socket, `no attempt at ${address}`);
        return socket;
    }
}

describe("Addresses of a host", () => {
    const [a1, a2, a3] = A as [Address, Address, Address];
    const [b1, b2, b3] = AAAA as [Address, Address, Address];
    const texts = (addresses: readonly Address[]) => addresses.map(({ address }) => address);

    beforeEach(() => mock.timers.enable({ apis: ["setTimeout"] }));
    afterEach(() => mock.timers.reset());

    for (const [what, given, expected] of [
        ["of one family in their order", [a1, a2], [a1, a2]],
        ["by family in turns, beginning with the first one's", [b1, b2, a1, a2], [b1, a1, b2, a2]],
        ["by family in turns where IPv4 comes first", [a1, a2, b1, b2], [a1, b1, a2, b2]],
        ["to the last one where a family has more", [b1, b2, b3, a1], [b1, a1, b2, b3]],
        ["to the last one where the other family has more", [b1, a1, a2, a3], [b1, a1, a2, a3]],
        ["once each", [a1, a1, b1, a1], [a1, b1]],
        ["also when there are none", [], []],
    ] as [string, Address[], Address[]][]) {
        it(`are tried ${what}`, () => assert.deepEqual(interleaved(given), expected));
    }

    it("are tried one after the other, none ended by the next, until one connects", () => {
        const race = new Race([b1, a1, b2]);
        assert.deepEqual(race.hosts, texts([b1]));
        mock.timers.tick(ATTEMPT_DELAY_MS - 1);
        assert.deepEqual(race.hosts, texts([b1]));
        mock.timers.tick(1);
        assert.deepEqual(race.hosts, texts([b1, a1]));
        mock.timers.tick(ATTEMPT_DELAY_MS);
        assert.deepEqual(race.hosts, texts([b1, a1, b2]));
        mock.timers.tick(3_000);
        for (const address of [b1, a1, b2]) assert.ok(!race.socket(address).destroyed, address.address);
        // The first to be tried, and the last to answer.
        race.socket(b1).emit("connect");
        assert.deepEqual(race.results, [{ failure: undefined, address: b1.address }]);
        assert.deepEqual([race.socket(a1).destroyed, race.socket(b2).destroyed], [true, true]);
        assert.ok(!race.socket(b1).destroyed);
    });

    it("leave no attempt to be made once one has connected", () => {
        const race = new Race([b1, a1]);
        race.socket(b1).emit("connect");
        mock.timers.tick(60_000);
        assert.deepEqual(race.hosts, texts([b1]));
        assert.equal(race.results.length, 1);
    });

    it("without a route cost no time", () => {
        const race = new Race([b1, b2, a1, a2]);
        race.socket(b1).fail("ENETUNREACH");
        race.socket(b2).fail("ENETUNREACH");
        assert.deepEqual(race.hosts, texts([b1, b2, a1]));
        // The next one has its whole delay.
        mock.timers.tick(ATTEMPT_DELAY_MS - 1);
        assert.deepEqual(race.hosts, texts([b1, b2, a1]));
        mock.timers.tick(1);
        assert.deepEqual(race.hosts, texts([b1, b2, a1, a2]));
        race.socket(a2).emit("connect");
        assert.equal(race.results[0]?.address, a2.address);
    });

    it("that fail while another is being tried make the next one start at once", () => {
        const race = new Race([a1, a2, a3]);
        mock.timers.tick(ATTEMPT_DELAY_MS);
        race.socket(a1).fail("ECONNREFUSED");
        assert.deepEqual(race.hosts, texts([a1, a2, a3]));
        assert.equal(race.results.length, 0);
    });

    it("that all fail are all named with their reasons", () => {
        const race = new Race([b1, a1, a2]);
        race.socket(b1).fail("ENETUNREACH");
        race.socket(a1).fail("ECONNREFUSED");
        race.socket(a2).fail("EHOSTUNREACH");
        const failure = race.results.at(0)?.failure;
        assert.equal(failure?.code, "ECONNREFUSED");
        const reasons = "2001:db8::1 ENETUNREACH; 192.0.2.1 ECONNREFUSED; 192.0.2.2 EHOSTUNREACH";
        assert.equal(failure.message, `port 443: ${reasons}`);
        assert.equal(race.results.length, 1);
    });

    it("that all lack a route are named with that", () => {
        const race = new Race([b1, b2]);
        for (const address of [b1, b2]) race.socket(address).fail("ENETUNREACH");
        assert.equal(race.results[0]?.failure?.code, "ENETUNREACH");
    });

    it("that do not answer are given up together, and count as silent beside others that refused", () => {
        const race = new Race([b1, a1, a2], 5_000);
        race.socket(b1).fail("ECONNREFUSED");
        mock.timers.tick(4_999);
        assert.equal(race.results.length, 0);
        mock.timers.tick(1);
        const failure = race.results.at(0)?.failure;
        assert.equal(failure?.code, "ETIMEDOUT");
        assert.equal(
            failure.message,
            "port 443: 2001:db8::1 ECONNREFUSED; 192.0.2.1 no answer within 5 s; 192.0.2.2 no answer within 5 s",
        );
        for (const address of [a1, a2]) assert.ok(race.socket(address).destroyed);
        // What was on its way comes too late.
        race.socket(a1).emit("connect");
        race.socket(a2).fail("ECONNRESET");
        assert.equal(race.results.length, 1);
    });

    it("survive errors of an attempt that has lost", () => {
        const race = new Race([b1, a1]);
        mock.timers.tick(ATTEMPT_DELAY_MS);
        race.socket(a1).emit("connect");
        race.socket(b1).fail("ECONNRESET");
        assert.deepEqual(
            race.results.map(({ address }) => address),
            [a1.address],
        );
    });

    it("that are none at all are an error", () => {
        const { results } = new Race([]);
        assert.deepEqual(
            results.map(({ failure }) => failure?.code),
            ["ENOTFOUND"],
        );
    });

    it("are tried by attempts that Node does not end itself", () => {
        const [started] = new Race([b1]).started;
        assert.deepEqual(
            [started?.options.autoSelectFamily, started?.options.port, started?.options.family],
            [false, 443, 6],
        );
    });
});
