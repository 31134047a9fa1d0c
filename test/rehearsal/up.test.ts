/** What `Program` breaks on purpose. That the program refuses it is seen by the rehearsal itself. */
import assert from "node:assert/strict";
import * as pulumi from "@pulumi/pulumi";
import { releaseLines } from "../../components/overseas/relay-files";
import { type BrokenFile, breaking } from "../../rehearsal/operation";

const NONSENSE = "this is no configuration;\n";

/** The inputs of a resource after they were broken. */
async function broken(name: string, props: Record<string, unknown>, file: BrokenFile): Promise<unknown> {
    const resource = undefined as unknown as pulumi.Resource;
    const result = await breaking(file)({ resource, type: "any", name, props, opts: {} });
    return new Promise((resolve) => pulumi.output(result?.props ?? props).apply(resolve));
}

describe("breaking", () => {
    const front = { resource: "front", file: "/etc/nginx/nginx.conf" };
    const uploads = ["/etc/nginx/nginx.conf", "/etc/nginx/other.conf"].map((file) => ({ file, content: "good;" }));

    it("puts a line into one file of a container's uploads, in the trial container too", async () => {
        for (const name of ["onprem-front-container", "onprem-front-container-trial"]) {
            assert.deepEqual(await broken(name, { name: "front", uploads: pulumi.output(uploads) }, front), {
                name: "front",
                uploads: [{ ...uploads[0], content: `${NONSENSE}good;` }, uploads[1]],
            });
        }
    });

    it("puts a line into one file of a release on standard input", async () => {
        const file = (path: string, content: string) => ({ mode: "0644" as const, path, content });
        const others = [file("nginx.conf", "good;"), file("empty.conf", "")];
        const stdin = pulumi.output(releaseLines([...others, file("server.conf", "good;")]));
        assert.deepEqual(await broken("nginx-apply", { stdin }, { resource: "nginx-apply", file: "server.conf" }), {
            stdin: releaseLines([...others, file("server.conf", `${NONSENSE}good;`)]),
        });
    });

    it("leaves other resources as they are", async () => {
        assert.deepEqual(await broken("onprem-uplink-container", { uploads }, front), { uploads });
    });

    it("adds nothing to a resource without files", async () => {
        assert.deepEqual(await broken("onprem-front-network", { name: "front" }, front), { name: "front" });
    });
});
