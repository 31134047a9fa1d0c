/** A folder of small files within bounds, over restarts. */
import assert from "node:assert/strict";
import { mkdtemp, readdir, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { KeptFiles } from "../../../services/uplink/kept-files";

describe("KeptFiles", () => {
    let folder: string;
    const lines: string[] = [];

    beforeEach(async () => {
        folder = await mkdtemp(join(tmpdir(), "kept-files-"));
        lines.length = 0;
    });
    afterEach(() => rm(folder, { recursive: true, force: true }));

    const open = (files: number, bytes: number) =>
        KeptFiles.open(folder, { files, bytes }, (_, message) => lines.push(message));
    const names = async () => (await readdir(folder)).sort();

    it("drops what was used least recently when there are too many", async () => {
        const kept = await open(2, 1000);
        for (const name of ["a", "b"]) assert.equal(await kept.write(name, Buffer.from(name)), true);
        assert.equal((await kept.read("a"))?.toString(), "a");
        await kept.write("c", Buffer.from("c"));
        assert.deepEqual(await names(), ["a", "c"]);
        assert.equal(await kept.read("b"), undefined);
    });

    it("drops as much as makes the bytes fit, and counts a file that is written again once", async () => {
        const kept = await open(100, 100);
        for (const name of ["a", "b", "a", "a", "c"]) await kept.write(name, Buffer.alloc(10));
        for (let count = 0; count < 8; count++) await kept.write(`d${count}`, Buffer.alloc(10));
        assert.deepEqual(
            await names(),
            ["a", "c", ..."01234567"].map((name) => (/\d/.test(name) ? `d${name}` : name)),
        );
    });

    it("keeps no file that would take the place of many", async () => {
        const kept = await open(100, 100);
        assert.equal(await kept.write("a", Buffer.alloc(11)), false);
        assert.deepEqual([await names(), lines], [[], ["file not kept"]]);
    });

    it("finds what an earlier run kept, the oldest first to go, and nothing half-written", async () => {
        for (const [name, time] of Object.entries({ old: 1, older: 0, new: 2, "new.half": 3 })) {
            await writeFile(join(folder, name), name);
            await utimes(join(folder, name), 1_700_000_000 + time, 1_700_000_000 + time);
        }
        const kept = await open(2, 1000);
        assert.deepEqual(await names(), ["new", "old"]);
        await kept.write("newest", Buffer.from("x"));
        assert.deepEqual(await names(), ["new", "newest"]);
    });

    it("says when it could not keep a file, and keeps the next one", async () => {
        const kept = await open(2, 1000);
        await rm(folder, { recursive: true });
        await writeFile(folder, "");
        assert.equal(await kept.write("a", Buffer.from("a")), false);
        await rm(folder);
        assert.equal(await kept.write("a", Buffer.from("a")), true);
        assert.deepEqual(await names(), ["a"]);
    });

    it("goes on when the folder is gone", async () => {
        const kept = await open(2, 1000);
        await rm(folder, { recursive: true });
        assert.equal(await kept.read("a"), undefined);
        assert.equal(await kept.write("a", Buffer.from("a")), true);
        assert.equal((await kept.read("a"))?.toString(), "a");
    });
});
