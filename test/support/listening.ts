/**
 * `listening.js PORT` listens in the network namespace that it runs in, hands the listening socket to the process that
 * started it, and ends: the connections that it takes are then that process's own.
 */
import { createServer } from "node:net";

const server = createServer();
server.listen({ host: "::", port: Number(process.argv[2]) }, () => {
    process.send?.("listens", server, {}, () => process.disconnect());
    server.close();
});
