import assert from "node:assert/strict";
import { appendFile, mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LastKnown } from "../../../services/uplink/last-known";

const digest = (digit: string) => `sha256:${digit.repeat(64)}`;
const tag = (digit: string) => ({ type: "application/json", digest: digest(digit), size: 7 });

describe("LastKnown", () => {
    let folder: string;
    const open = (kept?: number) => LastKnown.open(join(folder, "deep/last-known.jsonl"), () => undefined, kept);
    const lines = async () => (await readFile(join(folder, "deep/last-known.jsonl"), "utf8")).trim().split("\n");

    beforeEach(async () => {
        folder = await mkdtemp(join(tmpdir(), "dockermirror-known-"));
    });
    afterEach(() => rm(folder, { recursive: true, force: true }));

    it("keeps what was noted last over a restart, one line each", async () => {
        const known = await open();
        await known.noteTag("a 1 types", tag("a"));
        await known.noteTag("a 1 types", tag("b"));
        await known.noteManifest("docker.io/a", digest("b"));
        const again = await open();
        assert.deepEqual(again.tag("a 1 types")?.digest, digest("b"));
        assert.equal(again.tag("a 2 types"), undefined);
        assert.deepEqual(again.manifests(), [{ repository: "docker.io/a", digest: digest("b") }]);
        assert.equal((await lines()).length, 2);
        assert.equal((await stat(join(folder, "deep/last-known.jsonl"))).mode & 0o777, 0o600);
    });

    it("writes nothing for what it knows already", async () => {
        const known = await open();
        for (let count = 0; count < 3; count++) {
            await known.noteTag("a", tag("a"));
            await known.noteManifest("docker.io/a", digest("a"));
        }
        assert.equal((await lines()).length, 2);
    });

    it("gives up what was noted first when there is too much, and writes the file again before it grows without end", async () => {
        const known = await open(3);
        for (const digit of "abc") await known.noteManifest("docker.io/a", digest(digit));
        for (const digit of "12345678") await known.noteTag("t", tag(digit));
        assert.deepEqual(
            known.manifests().map((each) => each.digest),
            [digest("b"), digest("c")],
        );
        assert.ok((await lines()).length <= 6, `${(await lines()).length} lines`);
        const again = await open(3);
        assert.equal(again.tag("t")?.digest, digest("8"));
        assert.deepEqual(again.manifests(), known.manifests());
    });

    it("does without what is no line of its own, such as the last one of a run that was killed", async () => {
        const known = await open();
        await known.noteTag("a", tag("a"));
        const bad = ['{"tag":"b","digest":"sha256:abc"}', "[]", "5", '{"tag":"c"', "", '{"tag":5}'];
        await appendFile(join(folder, "deep/last-known.jsonl"), bad.join("\n"));
        const again = await open();
        assert.equal(again.tag("a")?.digest, digest("a"));
        await again.noteTag("d", tag("d"));
        assert.equal((await open()).tag("d")?.digest, digest("d"));
    });
});
