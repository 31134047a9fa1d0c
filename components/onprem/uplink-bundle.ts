import { bundle, FOR_NODE } from "../bundle";
import { type ProgramFile, programFile } from "./program-file";

/** The text of the uplink's program: `services/uplink` as one file. */
export function uplinkBundle(): string {
    return bundle("services/uplink/main.ts", FOR_NODE);
}

/** The same on its way to the Docker host. */
export function uplinkProgram(): ProgramFile {
    return programFile("uplink.js", uplinkBundle());
}
