import * as aws from "@pulumi/aws";
import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import * as tls from "@pulumi/tls";
import { readTemplate } from "../../templates/render";
import { asRoot } from "../shell";
import { child, type Transform } from "../transform";
import { Ec2Machine, type Ec2MachineArgs } from "./ec2-machine";
import { LightsailMachine, type LightsailMachineArgs } from "./lightsail-machine";
import { launchScript, MACHINE_USER, userData } from "./user-data";

/**
 * How long a machine that boots is dialled: at most 5 s pass between two attempts (`retry.Until` of Pulumi's SDK for Go,
 * which @pulumi/command dials by), and a packet into the void is given up after 10 s. That is 10 to 30 minutes.
 */
const PATIENCE = { dialErrorLimit: 120, perDialTimeout: 10 };

type Connection = command.types.input.remote.ConnectionArgs;

/** A machine that the stack makes: what its kind's component takes, and what all kinds have. */
type Made<Args extends { readonly transform?: object }> = Omit<Args, "userData" | "publicKey" | "transform"> & {
    /** AWS region, such as `ap-northeast-1`. The credentials come as AWS's own tools take them. */
    readonly region: string;
    /** When it may restart for a security upgrade: `HH:MM`, UTC. */
    readonly rebootAt: string;
    readonly transform?: Args["transform"] & {
        readonly provider?: Transform<aws.ProviderArgs>;
        readonly ready?: Transform<command.remote.CommandArgs>;
    };
};

/** Arguments of {@link RelayHost}, by kind. */
export type RelayHostArgs =
    | {
          /** A machine that is there: Debian 12 or newer. */
          readonly kind: "host";
          /** SSH to it, as root or as a user who may `sudo -n`; `host` is its public IPv4 address. */
          readonly connection: Connection;
          readonly ipv6Address?: string;
      }
    | ({ readonly kind: "ec2" } & Made<Ec2MachineArgs>)
    | ({ readonly kind: "lightsail" } & Made<LightsailMachineArgs>);

/**
 * The machine of a relay: made at EC2 or at Lightsail, or one that is there.
 *
 * A made machine is ready when cloud-init is through (templates/vm/user-data.yaml says with what), and only then is
 * `connection` known. It knows the stack's login key and no other, and is known by a host key that the stack made.
 *
 * What it costs a month stands with {@link Ec2Machine} and {@link LightsailMachine}. A machine that is there costs what
 * its provider asks, and each byte that is pulled comes in and goes out: 200 GB of traffic for 100 GB of pulls, 2 TB for
 * 1 TB. Destroying the stack leaves it as it is, and deletes a made one.
 */
export class RelayHost extends pulumi.ComponentResource {
    /** Another one for another machine: whatever fills the machine is triggered by it. */
    readonly id: pulumi.Output<string>;
    /** Public IPv4 address; a made machine's successor has it too. */
    readonly address: pulumi.Output<string>;
    readonly ipv6Address?: pulumi.Output<string>;
    /** SSH to it, known once it is ready. Secret. */
    readonly connection: pulumi.Output<Connection>;
    /** The resources underneath, for what this component does not offer. */
    readonly nodes: {
        readonly provider?: aws.Provider;
        readonly machine?: Ec2Machine | LightsailMachine;
        readonly loginKey?: tls.PrivateKey;
        readonly hostKey?: tls.PrivateKey;
        readonly ready?: command.remote.Command;
    };

    constructor(name: string, args: RelayHostArgs, opts?: pulumi.ComponentResourceOptions) {
        super("dockermirror:overseas:RelayHost", name, {}, opts);
        const own = { parent: this };

        if (args.kind === "host") {
            const connection = pulumi.output(args.connection);
            this.nodes = {};
            this.id = pulumi.unsecret(connection.apply(whichHost));
            this.address = pulumi.unsecret(connection.apply(({ host }) => host));
            this.ipv6Address = args.ipv6Address === undefined ? undefined : pulumi.output(args.ipv6Address);
            this.connection = pulumi.secret(connection);
        } else {
            const loginKey = new tls.PrivateKey(`${name}-login-key`, LOGIN_KEY[args.kind], own);
            const hostKey = new tls.PrivateKey(`${name}-host-key-${args.generation}`, { algorithm: "ED25519" }, own);
            const provider = new aws.Provider(
                ...child(
                    args.transform?.provider,
                    `${name}-aws`,
                    { region: args.region, defaultTags: { tags: stackTags() } },
                    own,
                ),
            );
            const machine = machineOf(name, args, loginKey, hostKey, { ...own, provider });
            const connection = pulumi.secret({
                host: machine.address,
                user: MACHINE_USER,
                privateKey: loginKey.privateKeyOpenssh,
                hostKey: hostKey.publicKeyOpenssh,
                ...PATIENCE,
            });
            const ready = new command.remote.Command(
                ...child(
                    args.transform?.ready,
                    `${name}-ready`,
                    { connection, create: asRoot(readTemplate("vm/wait.sh")), triggers: [machine.id] },
                    { ...own, dependsOn: machine },
                ),
            );
            this.nodes = { provider, machine, loginKey, hostKey, ready };
            this.id = machine.id;
            this.address = machine.address;
            this.ipv6Address = machine.ipv6Address;
            this.connection = pulumi.all([connection, ready.id]).apply(([known]) => known);
        }

        const { id, address, ipv6Address } = this;
        this.registerOutputs({ id, address, ipv6Address });
    }
}

/** Lightsail imports no other type: https://docs.aws.amazon.com/lightsail/2016-11-28/api-reference/API_ImportKeyPair.html */
const LOGIN_KEY = {
    ec2: { algorithm: "ED25519" },
    lightsail: { algorithm: "RSA", rsaBits: 4096 },
} as const;

function machineOf(
    name: string,
    args: Exclude<RelayHostArgs, { readonly kind: "host" }>,
    loginKey: tls.PrivateKey,
    hostKey: tls.PrivateKey,
    opts: pulumi.ComponentResourceOptions,
): Ec2Machine | LightsailMachine {
    const publicKey = loginKey.publicKeyOpenssh;
    const keys = { authorizedKey: publicKey, private: hostKey.privateKeyOpenssh, public: hostKey.publicKeyOpenssh };
    const cloudConfig = pulumi.secret(
        pulumi
            .output(keys)
            .apply(({ authorizedKey, ...pair }) => userData({ authorizedKey, hostKey: pair, rebootAt: args.rebootAt })),
    );
    if (args.kind === "ec2") return new Ec2Machine(name, { ...args, userData: cloudConfig }, opts);
    return new LightsailMachine(name, { ...args, publicKey, userData: cloudConfig.apply(launchScript) }, opts);
}

/** What is on everything that the stack makes at AWS: whose it is. */
function stackTags(): Record<string, string> {
    const [project, stack] = [pulumi.getProject(), pulumi.getStack()];
    return { Name: `${project}/${stack}`, "pulumi:project": project, "pulumi:stack": stack };
}

/** There is no more to tell one machine of the user's from another by. */
function whichHost({ host, port, hostKey }: pulumi.Unwrap<Connection>): string {
    return [host, port ?? 22, hostKey ?? ""].join(" ").trimEnd();
}
