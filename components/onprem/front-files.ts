/** The files of the front's container: pure, from checked values to text. */
import { BAD_QUERY_MESSAGE, otherDigestMessage } from "../../services/registry/names";
import type { Upstream } from "../../services/registry/upstreams";
import { fill, readTemplate, type View } from "../../templates/render";
import { namesView } from "../nginx-maps";
import { CURRENT } from "./configured-container";

/** What the front's files are made from. */
export interface FrontFilesArgs {
    /** What clients call the mirror. */
    readonly hostname: string;
    /** With the port when it is not 443. */
    readonly mirrorUrl: string;
    readonly upstreams: readonly Upstream[];
    /** Address ranges that may pull, such as `10.0.0.0/8`. */
    readonly allowFrom: readonly string[];
    /** Where things are in the container. @default CONTAINER */
    readonly places?: Places;
}

/** Paths, ports and addresses within the container. */
export interface Places {
    /** Folder of nginx.conf. */
    readonly nginx: string;
    readonly pid: string;
    /** Folder for what nginx keeps for a moment. */
    readonly temporary: string;
    readonly errorLog: string;
    readonly accessLog: string;
    /** The registry's storage root, mounted read-only. */
    readonly store: string;
    readonly resolver: string;
    readonly port: number;
    readonly healthPort: number;
}

/** Any nginx image, on a Docker network. */
export const CONTAINER: Places = {
    nginx: CURRENT,
    pid: "/tmp/nginx.pid",
    temporary: "/tmp",
    errorLog: "/dev/stderr",
    accessLog: "/dev/stdout",
    store: "/var/lib/registry",
    resolver: "127.0.0.11",
    // Not every Docker lets a program that is not root have a port below 1024.
    port: 8443,
    healthPort: 8081,
};

/** The front's configuration by path, all but {@link versionFile}, certificate and key. */
export function frontFiles(args: FrontFilesArgs): Record<string, string> {
    const { hostname, mirrorUrl, upstreams, allowFrom, places = CONTAINER } = args;
    const { nginx, pid, temporary, errorLog, accessLog, resolver, port, healthPort, store } = places;
    const upstreamList = upstreams.map(({ name }) => name).join(", ");
    const text = (template: string, view: View) => fill(readTemplate(template), view, `templates/${template}`);
    return {
        "nginx.conf": text("nginx/front/nginx.conf", { pid, temporary, errorLog, resolver }),
        "front/names.conf": text("nginx/names.conf", namesView(upstreams)),
        "front/log.conf": text("nginx/front/log.conf", { accessLog }),
        "front/home.conf": text("nginx/front/home.conf", {}),
        "front/disk.conf": text("nginx/front/disk.conf", { store }),
        "front/server.conf": text("nginx/front/server.conf", {
            hostname,
            port,
            healthPort,
            allowFrom: allowFrom.map((range) => `    ${range}  admitted;`).join("\n"),
            page: `${nginx}/front/page.txt`,
            upstreamList,
            badQueryMessage: BAD_QUERY_MESSAGE,
            otherDigestMessage: otherDigestMessage("$other_algorithm"),
        }),
        "front/page.txt": text("nginx/front/page.txt", { hostname, mirrorUrl, upstreamList }),
    };
}

/** What says on the health port which version of the files nginx has. */
export function versionFile(version: string): { readonly path: string; readonly text: string } {
    return { path: "front/version.conf", text: `return 200 '${version}\\n';\n` };
}

/** Where the certificate and its key belong. */
export const CERTIFICATE = { certificate: "front/certificate.pem", key: "front/key.pem" };
