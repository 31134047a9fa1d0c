/** What `Program` breaks on purpose. That the program refuses it is seen by the rehearsal itself. */
import assert from "node:assert/strict";
import * as pulumi from "@pulumi/pulumi";
import { fileLines } from "../../components/onprem/file-lines";
import { packedRelease } from "../../components/overseas/relay-files";
import { type BrokenFile, breaking } from "../../rehearsal/operation";
import { unpacked } from "../support/release";

const NONSENSE = "this is no configuration;\n";

/** The inputs of a resource after they were broken. */
async function broken(name: string, props: Record<string, unknown>, file: BrokenFile): Promise<unknown> {
    const resource = undefined as unknown as pulumi.Resource;
    const result = await breaking(file)({ resource, type: "any", name, props, opts: {} });
    return new Promise((resolve) => pulumi.output(result?.props ?? props).apply(resolve));
}

describe("breaking", () => {
    const front = { resource: "front", file: "nginx.conf" };
    const files = { "nginx.conf": "good;", "front/server.conf": "good;" };

    it("puts a line into one file of a container, where it is tried too", async () => {
        for (const name of ["onprem-front-trial", "onprem-front-files"]) {
            const { stdin } = (await broken(name, { stdin: pulumi.output(fileLines(files)) }, front)) as {
                stdin: string;
            };
            assert.equal(stdin, fileLines({ ...files, "nginx.conf": `${NONSENSE}good;` }), name);
        }
    });

    it("puts a line into one file of a release on standard input", async () => {
        const file = (path: string, content: string) => ({ mode: "0644" as const, path, content });
        const others = [file("nginx.conf", "good;"), file("empty.conf", "")];
        const packed = (content: string) => packedRelease("a script", [...others, file("server.conf", content)]);
        const props = { stdin: pulumi.output(packed("good;")) };
        const edited = await broken("nginx-apply", props, { resource: "nginx-apply", file: "server.conf" });
        assert.deepEqual(unpacked((edited as { stdin: string }).stdin), unpacked(packed(`${NONSENSE}good;`)));
    });

    it("leaves other resources as they are", async () => {
        const stdin = fileLines(files);
        assert.deepEqual(await broken("onprem-uplink-files", { stdin }, front), { stdin });
    });

    it("adds nothing to a resource without files", async () => {
        assert.deepEqual(await broken("onprem-front-network", { name: "front" }, front), { name: "front" });
    });
});
