/** What plays a provider of Pulumi in a rehearsal: one object a resource type, below the provider protocol of server.ts. */

/** Properties of a resource, secrets opened. */
// biome-ignore lint/suspicious/noExplicitAny: what a provider is given has no better type.
export type Properties = Record<string, any>;

/** A resource as the program wants it. */
export interface Wanted {
    readonly type: string;
    readonly name: string;
    readonly inputs: Properties;
    /** Inputs of the provider resource: where and as whom the provider works. */
    readonly provider: Properties;
}

/** A resource that was made. */
export interface Made {
    readonly id: string;
    /** Outputs besides the inputs. */
    readonly outputs: Properties;
}

/** A resource that Pulumi's state knows. */
export interface Remembered extends Wanted, Made {}

/** What the real object says of itself: of inputs only what can be seen of it. */
export interface Found {
    readonly inputs?: Properties;
    readonly outputs?: Properties;
}

/** The resources of one type. */
export interface StandIn {
    create(wanted: Wanted): Promise<Made>;
    /** After a change to inputs of `inPlace` alone. @default the inputs are noted and nothing is done */
    update?(wanted: Wanted, old: Remembered): Promise<Made>;
    /** Paths of inputs, such as `rootBlockDevice.volumeSize`, that change in place; any other replaces the resource. */
    readonly inPlace?: readonly string[];
    /** Outputs of a resource that force its replacement although no input has changed. */
    outdated?(old: Remembered): readonly string[];
    /** Looks at the real object; `undefined` when it is gone. An import gives the id alone. */
    read(old: Remembered): Promise<Found | undefined>;
    /** @default there is nothing to remove */
    remove?(old: Remembered): Promise<void>;
    /** The input that gets a unique value where the program gives none. */
    readonly autonamed?: string;
    /** Outputs that are secret as soon as any input is. */
    readonly secretWithInputs?: readonly string[];
}

/** A provider: its resource types and its functions, by token. */
export interface Provider {
    /** `docker` for @pulumi/docker. */
    readonly package: string;
    readonly standIns: Readonly<Record<string, StandIn>>;
    readonly functions?: Readonly<Record<string, (inputs: Properties, provider: Properties) => Promise<Properties>>>;
}

/**
 * The object was made and is there, but is not what it should be: Pulumi keeps it in its state together with the error.
 */
export class HalfMade extends Error {
    constructor(
        message: string,
        readonly made: Made,
    ) {
        super(message);
    }
}
