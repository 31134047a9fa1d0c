/** The files of the front's container: pure, from checked values to text. */
import { BAD_QUERY_MESSAGE } from "../../services/registry/names";
import type { Upstream } from "../../services/registry/upstreams";
import { fill, readTemplate, type View } from "../../templates/render";
import { namesView } from "../nginx-maps";

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
    readonly errorLog: string;
    readonly accessLog: string;
    /** The registry's storage root, mounted read-only. */
    readonly store: string;
    readonly resolver: string;
    readonly port: number;
    readonly healthPort: number;
}

/** The stock nginx image, on a Docker network. */
export const CONTAINER: Places = {
    nginx: "/etc/nginx",
    pid: "/run/nginx.pid",
    errorLog: "/dev/stderr",
    accessLog: "/dev/stdout",
    store: "/var/lib/registry",
    resolver: "127.0.0.11",
    port: 443,
    healthPort: 8081,
};

/** One file in the container. */
export interface FrontFile {
    readonly file: string;
    readonly content: string;
}

/** The front's configuration, all but certificate and key. */
export function frontFiles({ hostname, mirrorUrl, upstreams, allowFrom, ...rest }: FrontFilesArgs): FrontFile[] {
    const { nginx, pid, errorLog, accessLog, resolver, port, healthPort, store } = rest.places ?? CONTAINER;
    const upstreamList = upstreams.map(({ name }) => name).join(", ");
    const file = (path: string, template: string, view: View): FrontFile => ({
        file: `${nginx}/${path}`,
        content: fill(readTemplate(template), view, `templates/${template}`),
    });
    return [
        file("nginx.conf", "nginx/front/nginx.conf", { pid, errorLog, resolver }),
        file("front/names.conf", "nginx/names.conf", namesView(upstreams)),
        file("front/log.conf", "nginx/front/log.conf", { accessLog }),
        file("front/home.conf", "nginx/front/home.conf", {}),
        file("front/disk.conf", "nginx/front/disk.conf", { store }),
        file("front/server.conf", "nginx/front/server.conf", {
            hostname,
            port,
            healthPort,
            allowFrom: allowFrom.map((range) => `    ${range}  admitted;`).join("\n"),
            page: `${nginx}/front/page.txt`,
            upstreamList,
            badQueryMessage: BAD_QUERY_MESSAGE,
        }),
        file("front/page.txt", "nginx/front/page.txt", { hostname, mirrorUrl, upstreamList }),
    ];
}

/** Where the certificate and its key belong. */
export function certificatePaths({ nginx }: Places = CONTAINER): {
    readonly certificate: string;
    readonly key: string;
} {
    return { certificate: `${nginx}/front/certificate.pem`, key: `${nginx}/front/key.pem` };
}
