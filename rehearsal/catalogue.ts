/** What the Hub double has to offer in a rehearsal: the on-prem host's own images, and images to prove pulls with. */
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { IMAGE_LIST, type ListedImage, readImageList } from "../stacks/image-list";
import { goProgram } from "./go-programs";
import { type ImageArgs, type Layer, type MadeImage, makeImage } from "./hub/image";
import { ImageStore } from "./hub/store";
import type { BaseImage } from "./images";
import { KEEP, PUBLIC_CAS } from "./images";
import { barLine } from "./progress";

const MB = 1_000_000;
/** A shell to run; `mark` makes the layer one of its own, so that no image finds it in the cache by another. */
const busybox = (mark: string): Layer => ({
    files: { "/bin/busybox": { from: "/bin/busybox", mode: 0o755 }, "/etc/image": mark },
});

/** Names of the images that the proof pulls; what each is for: `proof.ts`. */
export type ProofImage =
    | "cold"
    | "herd"
    | "failover"
    | "cut"
    | "lied"
    | "sharedBase"
    | "hubTool"
    | "ghcrTool"
    | "child"
    | "meanwhile"
    | "replaced"
    | "farthest"
    | "oldKey"
    | "newKey"
    | "unattested"
    | "attested"
    | "containerd";

/** An image of the proof with what was made of it. */
export interface CatalogueEntry {
    readonly upstream: string;
    readonly repository: string;
    readonly tag: string;
    readonly made: MadeImage;
}

/** The store of the Hub double, and what is in it. */
export interface Catalogue {
    readonly store: ImageStore;
    /** A file of the form of `images.json`, with the digests of the double's own images. */
    readonly imageList: string;
    readonly images: Readonly<Record<ProofImage, CatalogueEntry>>;
}

/** Fills the store, or takes the one of an earlier rehearsal when it was made of the same parts. */
export async function makeCatalogue(slim: BaseImage, tell: (line: string) => void): Promise<Catalogue> {
    const own = ownImages(slim);
    const others = [canary()];
    const proof = proofImages();
    const sources = [slim.tar, process.execPath, goProgram("registry"), "/bin/busybox"].map((path) => [
        path,
        statSync(path).size,
    ]);
    const recipe = createHash("sha256")
        .update(JSON.stringify([own, others, proof, sources]))
        .digest("hex")
        .slice(0, 12);
    const folder = join(KEEP, `hub-${recipe}`);
    const contents = join(folder, "catalogue.json");
    const imageList = join(folder, IMAGE_LIST);
    const store = new ImageStore(folder);
    if (!existsSync(contents)) {
        // Half a gigabyte each: the ones of other recipes are not asked for again.
        const former = readdirSync(KEEP).filter((name) => name.startsWith("hub-") && name !== basename(folder));
        for (const name of former) rmSync(join(KEEP, name), { recursive: true });
        const images: Record<string, CatalogueEntry> = {};
        const total = own.length + others.length + Object.keys(proof).length;
        let count = 0;
        const making = ({ upstream, repository, tag }: ImageArgs) => {
            count += 1;
            tell(barLine("images for the Hub double", count, total, `${upstream}/${repository}:${tag}`));
        };
        const listed: Record<string, ListedImage> = {};
        for (const args of own) {
            making(args);
            const { digest } = await makeImage(store, args);
            listed[basename(args.repository)] = { tag: args.tag, digest };
        }
        for (const args of others) {
            making(args);
            await makeImage(store, args);
        }
        for (const [name, args] of Object.entries(proof)) {
            making(args);
            const { upstream, repository, tag } = args;
            images[name] = { upstream, repository, tag, made: await makeImage(store, args) };
        }
        writeFileSync(imageList, JSON.stringify(listed));
        writeFileSync(contents, JSON.stringify(images));
    }
    return { store, imageList, images: JSON.parse(readFileSync(contents, "utf8")) };
}

/** Those of the project's list. */
function ownImages(slim: BaseImage): ImageArgs[] {
    const { node, nginx, registry } = readImageList(IMAGE_LIST);
    const base: Layer = { tar: slim.tar };
    const official = {
        upstream: "docker.io",
        env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
    };
    return [
        {
            ...official,
            repository: "library/node",
            tag: node.tag,
            layers: [base, { files: { "/usr/local/bin/node": { from: process.execPath, mode: 0o755 } } }],
            // The real one trusts the public CAs. What plays them is laid when a container is made: stand-ins/docker.ts.
            env: [...official.env, `NODE_EXTRA_CA_CERTS=${PUBLIC_CAS}`],
            cmd: ["node"],
        },
        {
            ...official,
            repository: "library/nginx",
            tag: nginx.tag,
            // The stock image has curl for health checks; this one has busybox' wget.
            layers: [base, { files: { "/usr/bin/wget": { linkTo: "/bin/busybox" } } }],
            cmd: ["nginx", "-g", "daemon off;"],
        },
        {
            ...official,
            repository: "library/registry",
            tag: registry.tag,
            layers: [
                base,
                {
                    files: {
                        "/usr/local/bin/registry": { from: goProgram("registry"), mode: 0o755 },
                        "/usr/bin/wget": { linkTo: "/bin/busybox" },
                    },
                },
            ],
            entrypoint: ["/usr/local/bin/registry"],
        },
    ];
}

/** What each `up` ends by asking for: components/onprem/canary.ts. */
function canary(): ImageArgs {
    const hello: Layer = { files: { "/hello": "Hello from Docker!\n" } };
    return {
        upstream: "docker.io",
        repository: "library/hello-world",
        tag: "latest",
        layers: [hello],
        cmd: ["/hello"],
    };
}

function proofImages(): Record<ProofImage, ImageArgs> {
    const noise = (seed: string, bytes: number): Layer => ({ bytes, seed });
    const small = (seed: string, count: number) =>
        Array.from({ length: count }, (_, index) => noise(`${seed} ${index}`, 2 * MB));
    const image = (repository: string, layers: Layer[], more: Partial<ImageArgs> = {}): ImageArgs => ({
        upstream: "docker.io",
        repository,
        tag: "1.0",
        layers: [busybox(`${more.upstream ?? "docker.io"}/${repository}`), ...layers],
        cmd: ["/bin/busybox", "echo", `hello from ${more.upstream ?? "docker.io"}/${repository}`],
        ...more,
    });
    const shared = [busybox("base"), ...small("shared", 3)];
    return {
        cold: image("library/cold", small("cold", 9), { platforms: ["linux/amd64", "linux/arm64"] }),
        herd: image("acme/herd", [noise("herd", 110 * MB), ...small("herd", 2)]),
        failover: image("acme/failover", small("failover", 2), { format: "docker" }),
        cut: image("acme/cut", [noise("cut", 120 * MB)]),
        lied: image("acme/lied", [noise("lied", 24 * MB)]),
        sharedBase: { ...image("acme/base", []), layers: shared },
        child: { ...image("acme/child", []), layers: [...shared, ...small("child", 1)] },
        meanwhile: image("acme/meanwhile", small("meanwhile", 1)),
        replaced: image("acme/replaced", small("replaced", 2)),
        farthest: image("acme/farthest", small("farthest", 2)),
        oldKey: image("acme/old-key", small("old key", 1)),
        newKey: image("acme/new-key", small("new key", 1)),
        unattested: image("library/unattested", small("unattested", 3)),
        attested: image("library/attested", small("attested", 3), {
            platforms: ["linux/amd64", "linux/arm64"],
            attested: true,
        }),
        containerd: image("library/containerd", small("containerd", 3), { attested: true }),
        hubTool: image("acme/tool", small("hub tool", 1)),
        ghcrTool: image("acme/tool", small("ghcr tool", 1), { upstream: "ghcr.io" }),
    };
}
