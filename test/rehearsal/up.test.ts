/** What `Program` breaks on purpose. That the program refuses it is seen by the rehearsal itself. */
import assert from "node:assert/strict";
import { releaseLines } from "../../components/overseas/relay-files";
import { breakFile } from "../../rehearsal/up";

const NONSENSE = "this is no configuration;\n";
const wanted = (name: string, inputs: Record<string, unknown>) => ({ type: "any", name, inputs });

describe("breakFile", () => {
    it("puts a line into one file of a container's uploads, in the trial container too", () => {
        for (const name of ["onprem-front-container", "onprem-front-container-trial"]) {
            const uploads = ["/etc/nginx/nginx.conf", "/etc/nginx/other.conf"].map((file) => ({
                file,
                content: "good;",
            }));
            const front = wanted(name, { uploads });
            breakFile(front, { resource: "front", file: "/etc/nginx/nginx.conf" });
            assert.deepEqual(
                uploads.map(({ content }) => content),
                [`${NONSENSE}good;`, "good;"],
            );
        }
    });

    it("puts a line into one file of a release on standard input", () => {
        const file = (path: string, content: string) => ({ mode: "0644" as const, path, content });
        const others = [file("nginx.conf", "good;"), file("empty.conf", "")];
        const apply = wanted("nginx-apply", { stdin: releaseLines([...others, file("server.conf", "good;")]) });
        breakFile(apply, { resource: "nginx-apply", file: "server.conf" });
        assert.equal(apply.inputs.stdin, releaseLines([...others, file("server.conf", `${NONSENSE}good;`)]));
    });

    it("leaves other resources as they are", () => {
        const inputs = { uploads: [{ file: "/etc/nginx/nginx.conf", content: "good;" }] };
        const uplink = wanted("onprem-uplink-container", structuredClone(inputs));
        breakFile(uplink, { resource: "front", file: "/etc/nginx/nginx.conf" });
        assert.deepEqual(uplink.inputs, inputs);
    });

    it("adds nothing to a resource without files", () => {
        const network = wanted("onprem-front-network", { name: "front" });
        breakFile(network, { resource: "front", file: "/etc/nginx/nginx.conf" });
        assert.deepEqual(network.inputs, { name: "front" });
    });
});
