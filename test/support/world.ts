/** Doubles of what the checks ask, on loopback; whatever is not doubled is a closed port. */
import { once } from "node:events";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingHttpHeaders, type RequestListener, type Server } from "node:http";
import { type AddressInfo, createServer as createTcpServer, type Socket, type Server as TcpServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { Agent } from "undici";
import { SERVICES, type Surroundings } from "../../checks/surroundings";
import { attempt } from "../../rehearsal/run";

/** A port that nobody is given: it is privileged, and no service's. */
export const CLOSED = "http://127.0.0.1:2";

/** What a check may ask besides the doubles that a test names: nothing. */
export function worldOf(own: Partial<Surroundings>): Surroundings {
    return {
        env: { PATH: "/nowhere" },
        services: { ...SERVICES, ...everywhere(CLOSED) },
        dispatcher: new Agent(),
        awsCredentials: async () => ({ accessKeyId: "AKIDEXAMPLE", secretAccessKey: "secret" }),
        run: attempt,
        seconds: 5,
        ...own,
    };
}

/** Every service at one place, each with a path of its own. */
export function everywhere(url: string): typeof SERVICES {
    return {
        pulumi: `${url}/pulumi`,
        github: `${url}/github`,
        githubApi: `${url}/github-api`,
        cloudflare: `${url}/cloudflare`,
        hubTokens: `${url}/hub`,
        hubRegistry: `${url}/hub-registry`,
        ownAddress: `${url}/own-address`,
        aws: (service, region) => `${url}/aws/${service}/${region}`,
    };
}

/** A request as a double saw it. */
export interface Asked {
    readonly path: string;
    readonly headers: IncomingHttpHeaders;
    readonly body: string;
}

/** Status and body of an answer; a body that is an object is sent as JSON. */
export type Reply = readonly [status: number, body: unknown];

/** An HTTP server that answers as a test says; 404 to what the test has no answer for. */
export class Double {
    readonly asked: Asked[] = [];
    private readonly server: Server;

    private constructor(reply: (asked: Asked) => Reply | undefined) {
        const listener: RequestListener = async (request, response) => {
            const asked = { path: request.url ?? "", headers: request.headers, body: await text(request) };
            this.asked.push(asked);
            const [status, body] = reply(asked) ?? [404, "not found"];
            const sent = Buffer.isBuffer(body) || typeof body === "string" ? body : JSON.stringify(body);
            response.writeHead(status).end(sent);
        };
        this.server = createServer(listener);
    }

    static async start(reply: (asked: Asked) => Reply | undefined): Promise<Double> {
        const double = new Double(reply);
        double.server.listen(0, "127.0.0.1");
        await once(double.server, "listening");
        return double;
    }

    get url(): string {
        return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
    }

    async stop(): Promise<void> {
        this.server.closeAllConnections();
        this.server.close();
        await once(this.server, "close");
    }
}

/** A TCP server that does `greet` to whoever connects. */
export async function listen(greet: (socket: Socket) => void): Promise<{ port: number; server: TcpServer }> {
    const server = createTcpServer((socket) => {
        socket.on("error", () => socket.destroy());
        server.on("close", () => socket.destroy());
        greet(socket);
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    return { port: (server.address() as AddressInfo).port, server };
}

/** A folder of programs that tests put in place of real ones, each a shell script. */
export class Programs {
    readonly folder = mkdtempSync(join(tmpdir(), "dockermirror-programs-"));
    readonly bin = join(this.folder, "bin");

    constructor(scripts: Readonly<Record<string, string>>) {
        mkdirSync(this.bin);
        for (const [name, script] of Object.entries(scripts)) {
            writeFileSync(join(this.bin, name), `#!/bin/sh\n${script}\n`);
            chmodSync(join(this.bin, name), 0o755);
        }
    }

    /** An environment in which they come first, and nothing of this user's is found. */
    get env(): NodeJS.ProcessEnv {
        const path = `${this.bin}:/usr/bin:/bin`;
        return { PATH: path, HOME: this.folder, PULUMI_HOME: join(this.folder, "pulumi"), TMPDIR: this.folder };
    }

    /** A file in the home of this environment. */
    write(name: string, content: string): void {
        writeFileSync(join(this.folder, name), content);
    }

    remove(): void {
        rmSync(this.folder, { recursive: true });
    }
}
