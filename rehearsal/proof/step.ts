/** What the proof is made of: steps that judge themselves, and the one loop that takes them. */
import type { Catalogue } from "../catalogue";
import type { Scene } from "../scene";
import type { Program } from "../up";

/** One row of the proof. A field that a step has no value for is left out. */
export interface Step {
    readonly name: string;
    readonly ok: boolean;
    readonly relay?: string;
    readonly linkBytes?: number;
    readonly imageBytes?: number;
    readonly linkRequests?: number;
    readonly seconds?: number;
    /** Why not, or what else is worth knowing. */
    readonly note?: string;
}

/** What a step found; it throws when something does not hold. */
export type Finding = Omit<Step, "name" | "ok">;

/** What a step can only be taken with. */
export type Need =
    | "an on-prem site"
    | "a mirror with a private CA"
    | "two relays"
    | "a VM"
    | "a VM that the stack makes"
    | "a certificate by ACME"
    | "a last step (--once)";

/** A step by its name; without needs it is always taken. */
export type StepOf =
    | (() => Promise<Finding>)
    | { readonly needs: readonly Need[]; readonly step: () => Promise<Finding> };

/** What the proof needs besides the machines. */
export interface ProofInputs {
    readonly scene: Scene;
    readonly catalogue: Catalogue;
    /** The program of the stack that is asked for. */
    readonly program: Program;
    /** Those of the stacks whose relays it takes, in the order in which they were brought up. */
    readonly others: readonly Program[];
    /** What this stack and this rehearsal have. */
    readonly has: ReadonlySet<Need>;
}

/** Which step it is, of those that are taken: counted from 1. */
export interface Place {
    readonly number: number;
    readonly total: number;
}

/** What a proof tells as it goes. */
export interface Told {
    readonly begun: (name: string, place: Place) => void;
    readonly row: (step: Step, place: Place) => void;
    readonly leftOut: (name: string, needs: string) => void;
}

/** Takes every step whose needs are there, in order. */
export async function take(all: Readonly<Record<string, StepOf>>, has: ReadonlySet<Need>, told: Told): Promise<Step[]> {
    const steps: Step[] = [];
    const missing = (entry: StepOf) => (typeof entry === "object" ? entry.needs.filter((need) => !has.has(need)) : []);
    const total = Object.values(all).filter((entry) => missing(entry).length === 0).length;
    for (const [name, entry] of Object.entries(all)) {
        const lacks = missing(entry);
        if (lacks.length > 0) {
            told.leftOut(name, lacks.join(", "));
            continue;
        }
        const step = typeof entry === "object" ? entry.step : entry;
        const place = { number: steps.length + 1, total };
        told.begun(name, place);
        let row: Step;
        try {
            row = { name, ok: true, ...(await step()) };
        } catch (error) {
            row = { name, ok: false, note: error instanceof Error ? error.message : String(error) };
        }
        steps.push(row);
        told.row(row, place);
    }
    return steps;
}
