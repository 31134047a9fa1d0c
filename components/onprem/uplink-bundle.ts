import { bundle, FOR_NODE } from "../bundle";

/** The text of the uplink's program: `services/uplink` as one file. */
export function uplinkBundle(): string {
    return bundle("services/uplink/main.ts", FOR_NODE);
}
