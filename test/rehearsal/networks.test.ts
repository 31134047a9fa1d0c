/** Address ranges for networks, on this machine's own Docker and interfaces. */
import assert from "node:assert/strict";
import { Docker, removeLabelled } from "../../rehearsal/docker";
import { createNetwork, overlap, usedRanges } from "../../rehearsal/networks";
import { attempt, run } from "../../rehearsal/run";
import { publicAddressProblem } from "../../stacks/addresses";

const NAME = `dockermirror-test-networks-${process.pid}`;
const LABEL = `${NAME}=1`;
/** An interface's name has 15 characters at most. */
const BRIDGE = `dmt${process.pid}`;

describe("overlap", () => {
    const cases: [string, string, boolean][] = [
        ["10.213.64.0/24", "10.213.64.0/24", true],
        ["10.213.64.0/24", "10.213.65.0/24", false],
        ["10.213.64.0/24", "10.213.64.7/32", true],
        ["10.0.0.0/8", "10.213.64.0/24", true],
        ["10.213.64.1/20", "10.213.79.0/24", true],
        ["10.213.64.1/20", "10.213.80.0/24", false],
        ["172.16.0.0/12", "172.29.64.0/24", true],
    ];
    for (const [one, other, expected] of cases) {
        it(`is ${expected} of ${one} and ${other}, and the other way round`, () => {
            assert.equal(overlap(one, other), expected);
            assert.equal(overlap(other, one), expected);
        });
    }
});

describe("createNetwork", function () {
    this.timeout(60_000);
    const docker = new Docker();
    afterEach(async () => {
        assert.deepEqual(await removeLabelled(docker, LABEL), []);
        await attempt("ip", ["link", "delete", BRIDGE]);
    });

    it("takes a /24 that no interface, route or network of this machine has", async () => {
        const used = await usedRanges(docker);
        const { subnet, gateway, lowerHalf } = await createNetwork(docker, NAME, [LABEL]);
        assert.deepEqual(
            used.filter((range) => overlap(range, subnet)),
            [],
        );
        assert.deepEqual([gateway, lowerHalf], [subnet.replace("0/24", "1"), subnet.replace("/24", "/25")]);
        assert.ok((await usedRanges(docker)).includes(subnet));
    });

    it("takes ranges that are no private ones for what plays public addresses", async () => {
        const { subnet } = await createNetwork(docker, NAME, [LABEL], undefined, "public");
        assert.ok(overlap(subnet, "198.18.0.0/15"), subnet);
        assert.equal(publicAddressProblem(subnet.replace("0/24", "1"), 4), undefined);
    });

    for (const [what, bits] of [
        ["has no cable", 24],
        ["has a wider range", 20],
    ] as const) {
        it(`leaves the range of a bridge alone that Docker knows nothing of and that ${what}`, async () => {
            const { subnet } = await createNetwork(docker, NAME, [LABEL]);
            assert.deepEqual(await removeLabelled(docker, LABEL), []);
            await run("ip", ["link", "add", "name", BRIDGE, "type", "bridge"]);
            await run("ip", ["address", "add", subnet.replace("0/24", `1/${bits}`), "dev", BRIDGE]);
            const second = await createNetwork(docker, NAME, [LABEL]);
            assert.equal(overlap(second.subnet, subnet), false, second.subnet);
        });
    }

    it("passes Docker's own reason on when it is another one", async () => {
        await createNetwork(docker, NAME, [LABEL]);
        await assert.rejects(createNetwork(docker, NAME, [LABEL]), /the network \S+ cannot be made: .*already exists/s);
    });
});

describe("Docker", function () {
    this.timeout(60_000);
    for (const kind of ["container", "image", "network", "volume"] as const) {
        it(`says that there is no such ${kind}, in whichever words its engine does`, async () => {
            assert.equal(await new Docker().inspect(kind, `${NAME}-never-made`), undefined);
        });
    }
});

describe("removeLabelled", function () {
    this.timeout(60_000);
    const docker = new Docker();

    it("removes what can be removed, and says of the rest what it is, why, and what to do", async () => {
        const inUse = `${NAME}-in-use`;
        await createNetwork(docker, inUse, [LABEL]);
        await createNetwork(docker, `${NAME}-free`, [LABEL]);
        await docker.run(["volume", "create", "--label", LABEL, `${NAME}-volume`]);
        const [image = ""] = (await docker.run(["image", "ls", "--quiet", "dockermirror-rehearsal/slim"])).split("\n");
        const container = [
            "run",
            "--detach",
            "--rm",
            "--name",
            `${NAME}-user`,
            "--network",
            inUse,
            image,
            "sleep",
            "600",
        ];
        const id = (await docker.run(container)).trim();
        try {
            const [problem = "", ...more] = await removeLabelled(docker, LABEL);
            assert.deepEqual(more, []);
            assert.match(problem, new RegExp(`^the network ${inUse} cannot be removed: .*has active endpoints`));
            assert.match(problem, new RegExp(`Docker frees it .*: docker network rm ${inUse}$`));
            const left = await docker.run(["network", "ls", "--format", "{{.Name}}", "--filter", `label=${LABEL}`]);
            assert.equal(left.trim(), inUse);
            assert.equal(await docker.run(["volume", "ls", "--quiet", "--filter", `label=${LABEL}`]), "");
        } finally {
            await docker.run(["rm", "--force", id]);
            assert.deepEqual(await removeLabelled(docker, LABEL), []);
        }
    });
});
