/** That the lab's far link is one: between two namespaces, and in front of a container. By real packets. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { Docker } from "../../rehearsal/docker";
import { FarLink } from "../../rehearsal/far-link";
import { makeBaseImages } from "../../rehearsal/images";
import { Namespace } from "../../rehearsal/namespace";
import { run } from "../../rehearsal/run";

const ROUND_TRIP_MS = 300;
/** A SYN that is lost is sent again after this long. */
const AGAIN_MS = 1000;
const MIB = 1024 * 1024;

const devices = async (): Promise<string[]> => {
    const all = JSON.parse(await run("ip", ["--json", "link"])) as { ifname: string }[];
    return all.map(({ ifname }) => ifname).filter((name) => name.startsWith("far-"));
};

describe("FarLink", function () {
    this.timeout(120_000);

    describe("between two namespaces", () => {
        let near: Namespace;
        let far: Namespace;
        let link: FarLink;

        beforeEach(async () => {
            [near, far] = await Promise.all([Namespace.make(), Namespace.make()]);
            link = await FarLink.between(near, far, "far", {});
            const add = (address: string) => ["ip", "address", "add", address, "dev", "far", "nodad"];
            for (const address of ["198.18.0.1/24", "fd5a:1f2e:3d4c::1/64"]) await near.run(add(address));
            for (const address of ["198.18.0.2/24", "fd5a:1f2e:3d4c::2/64"]) await far.run(add(address));
            // Neighbours are known from here on.
            for (const address of ["198.18.0.2", "fd5a:1f2e:3d4c::2"]) await connecting(address);
        });

        afterEach(async () => {
            await link.remove();
            await Promise.all([near.remove(), far.remove()]);
        });

        /** What came of a connection to a port where nobody listens, and after how many milliseconds. */
        async function connecting(address: string): Promise<{ said: string; ms: number }> {
            const began = performance.now();
            const script = `const begun = performance.now();
                const ended = (said) => {
                    console.log(JSON.stringify({ said, ms: performance.now() - begun }));
                    process.exit();
                };
                require("node:net").connect({ host: ${JSON.stringify(address)}, port: 9 })
                    .on("error", ({ code }) => ended(code));
                setTimeout(() => ended("nothing"), 2500);`;
            const printed = await near.run([process.execPath, "-e", script]);
            assert.ok(performance.now() > began);
            return JSON.parse(printed);
        }

        for (const address of ["198.18.0.2", "fd5a:1f2e:3d4c::2"]) {
            it(`makes a round trip to ${address} take as long as is said`, async () => {
                await link.set({ roundTripMs: ROUND_TRIP_MS });
                const { said, ms } = await connecting(address);
                assert.equal(said, "ECONNREFUSED");
                assert.ok(ms >= ROUND_TRIP_MS && ms < ROUND_TRIP_MS + AGAIN_MS, `${ms} ms`);
            });

            it(`loses every second SYN to ${address}, and nothing else`, async () => {
                await link.set({ loseSynEvery: 2 });
                const times: number[] = [];
                // One SYN each, or two where the first is lost.
                for (let count = 0; count < 3; count++) times.push((await connecting(address)).ms);
                assert.deepEqual(
                    times.map((ms) => ms >= AGAIN_MS),
                    [false, true, true],
                    String(times),
                );
            });

            it(`loses the next SYN to ${address}, once`, async () => {
                await link.set({ loseNextSyns: 1 });
                assert.ok((await connecting(address)).ms >= AGAIN_MS);
                assert.ok((await connecting(address)).ms < AGAIN_MS);
            });

            it(`lets everything to ${address} vanish when that is silent, and nothing to the other`, async () => {
                await link.set({ silentAddresses: [address] });
                const other = address.includes(":") ? "198.18.0.2" : "fd5a:1f2e:3d4c::2";
                assert.equal((await connecting(address)).said, "nothing");
                assert.equal((await connecting(other)).said, "ECONNREFUSED");
            });
        }

        it("can be cut and mended", async () => {
            await link.set({ cut: true });
            assert.equal((await connecting("198.18.0.2")).said, "nothing");
            await link.set({});
            assert.equal((await connecting("198.18.0.2")).said, "ECONNREFUSED");
        });

        it("leaves nothing behind, also when it is removed twice", async () => {
            const before = await devices();
            await link.remove();
            await link.remove();
            await assert.rejects(near.run(["ip", "link", "show", "far"]));
            assert.deepEqual(
                (await devices()).filter((name) => !before.includes(name)),
                [],
            );
        });
    });

    describe("of a container", () => {
        const docker = new Docker();
        const name = `dockermirror-far-${randomBytes(4).toString("hex")}`;
        const [first, second] = ["first", "second"].map((each) => `${name}-${each}`) as [string, string];
        let link: FarLink | undefined;

        before(async () => {
            const { machine } = await makeBaseImages(docker, () => {});
            await docker.run(["network", "create", "--internal", name]);
            for (const container of [first, second]) {
                const server = "dd if=/dev/zero of=/srv/big bs=1M count=16 && exec busybox httpd -f -h /srv";
                const args = ["run", "--detach", "--init", "--name", container, "--network", name];
                await docker.run([...args, machine.image, "sh", "-c", server]);
            }
        });

        afterEach(() => link?.remove());

        after(async () => {
            await docker.attempt(["rm", "--force", "--volumes", first, second]);
            await docker.attempt(["network", "rm", name]);
        });

        async function fetch(from: string, to: string): Promise<{ connectMs: number; totalMs: number; bytes: number }> {
            const format = "%{time_connect} %{time_total} %{size_download}";
            const retry = ["--retry", "5", "--retry-connrefused", "--retry-delay", "1"];
            const printed = await docker.exec(from, [
                ...["curl", "--silent", "--fail", ...retry, "--output", "/dev/null", "--write-out", format],
                `http://${to}/big`,
            ]);
            const [connect = 0, total = 0, bytes = 0] = printed.split(" ").map(Number);
            return { connectMs: connect * 1000, totalMs: total * 1000, bytes };
        }

        it("makes it far from the others, both ways, at a rate at which images can be pulled", async () => {
            assert.ok((await fetch(first, second)).connectMs < ROUND_TRIP_MS);
            link = await FarLink.ofContainer(docker, first, name, { roundTripMs: ROUND_TRIP_MS });
            for (const [from, to] of [
                [first, second],
                [second, first],
            ] as const) {
                const { connectMs, totalMs, bytes } = await fetch(from, to);
                assert.ok(connectMs >= ROUND_TRIP_MS, `${connectMs} ms`);
                assert.equal(bytes, 16 * MIB);
                // 10 Mbit/s would take 13 s.
                assert.ok(totalMs < 13_000, `${totalMs} ms`);
            }
        });

        it("makes it near again when it is removed", async () => {
            const before = await devices();
            link = await FarLink.ofContainer(docker, first, name, { roundTripMs: ROUND_TRIP_MS });
            await link.remove();
            for (const [from, to] of [
                [first, second],
                [second, first],
            ] as const)
                assert.ok((await fetch(from, to)).connectMs < ROUND_TRIP_MS);
            assert.deepEqual(
                (await devices()).filter((device) => !before.includes(device)),
                [],
            );
        });

        it("needs a container that is on the network", async () => {
            const wanted = /the container .* does not run on the network/;
            await assert.rejects(FarLink.ofContainer(docker, first, "bridge", {}), wanted);
            await assert.rejects(FarLink.ofContainer(docker, `${name}-third`, name, {}), wanted);
        });
    });
});
