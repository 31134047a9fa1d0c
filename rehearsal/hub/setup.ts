/** What the roles of the Hub double answer from, and to. */
import type { IncomingMessage } from "node:http";
import type { Upstream } from "../../services/registry/upstreams";
import type { PullCounts } from "./pull-counts";
import type { ImageStore } from "./store";

/** What the roles answer from: the options with every default filled in. */
export interface Setup {
    readonly store: ImageStore;
    readonly secret: string;
    readonly privateRepositories: readonly string[];
    readonly accounts: Readonly<Record<string, string>>;
    readonly tokenSeconds: number;
    readonly urlSeconds: number;
    readonly referrersPage: number;
    /** The edge that the next redirect goes to. */
    readonly nextEdge: () => number;
    readonly now: () => number;
    readonly pulls: PullCounts;
}

/** A request as the roles see it. */
export interface HubRequest {
    readonly upstream: Upstream;
    readonly host: string;
    readonly method: string;
    readonly pathname: string;
    /** Without the question mark, byte for byte. */
    readonly rawQuery: string;
    readonly source: string;
    readonly headers: IncomingMessage["headers"];
}
