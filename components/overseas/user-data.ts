/** What a machine that the stack makes does at its first boot: pure, from checked values to text. */
import { gzipSync } from "node:zlib";
import { fill, readTemplate, type View } from "../../templates/render";
import { quote } from "../shell";

/** The release of Debian that a machine which is made now gets; one that exists keeps its own until it is replaced. */
export const DEBIAN = 13;

/** Who Pulumi logs in as on a machine that the stack made; may `sudo -n`. */
export const MACHINE_USER = "dockermirror";

/** Debian packages of a made machine: what the relay, its certificate, the firewall and the upgrades are made of. */
export const BASE_PACKAGES = [
    "ca-certificates",
    "curl",
    "lego",
    "libnginx-mod-http-js",
    "nftables",
    "nginx",
    "openssl",
    "sudo",
    "unattended-upgrades",
] as const;

/** EC2's limit of user data in bytes, before base64: AWSEC2 UserGuide, "instancedata-add-user-data". */
export const USER_DATA_MAX = 16 * 1024;

/** What the user data are made from. All of it stays for the machine's life. */
export interface UserDataArgs {
    /** Public key that may log in as {@link MACHINE_USER}, as OpenSSH writes it. */
    readonly authorizedKey: string;
    /** The machine's own key, as OpenSSH writes both halves. The private half is the one secret in here. */
    readonly hostKey: { readonly private: string; readonly public: string };
    /** When the machine may restart for a new kernel: `HH:MM`, UTC. */
    readonly rebootAt: string;
}

/**
 * The `#cloud-config` of a made machine. JSON is YAML, so what is put into its holes needs no indentation.
 *
 * @throws Error when it is larger than EC2 takes.
 */
export function userData({ authorizedKey, hostKey, rebootAt }: UserDataArgs): string {
    const files = [
        file("/etc/ssh/sshd_config.d/00-dockermirror.conf", "vm/sshd.conf", { user: MACHINE_USER }),
        file("/etc/sysctl.d/60-dockermirror.conf", "vm/sysctl.conf"),
        file("/etc/nftables.conf", "vm/nftables.conf"),
        file("/etc/systemd/journald.conf.d/dockermirror.conf", "vm/journald.conf"),
        file("/etc/apt/apt.conf.d/60dockermirror", "vm/apt.conf", { rebootAt }),
        file("/etc/gai.conf", "vm/gai.conf"),
    ];
    const values = {
        user: MACHINE_USER,
        authorizedKey: authorizedKey.trim(),
        hostPrivateKey: hostKey.private,
        hostPublicKey: hostKey.public.trim(),
        files,
        packages: BASE_PACKAGES,
    };
    const text = template(
        "vm/user-data.yaml",
        Object.fromEntries(Object.entries(values).map(([name, value]) => [name, JSON.stringify(value)])),
    );
    const size = Buffer.byteLength(text);
    if (size > USER_DATA_MAX) {
        throw new Error(
            `templates/vm: the user data are ${size} bytes, and EC2 takes ${USER_DATA_MAX}: shorten a file`,
        );
    }
    return text;
}

/**
 * The same for Lightsail, which runs what it is given as a part of a shell script of its own (the one that appends
 * `TrustedUserCAKeys /etc/ssh/lightsail_instance_ca.pub` to sshd's settings). One line, because the AWS provider says
 * that only one is taken: https://github.com/hashicorp/terraform-provider-aws/pull/30106
 */
export function launchScript(cloudConfig: string): string {
    const script = template("vm/launch.sh", { userData: packed(cloudConfig) });
    // Not by a pipe into sh: what the script starts would read the rest of the script as its standard input.
    return `sh -c "$(echo ${packed(script)} | base64 -d | gunzip)"`;
}

function template(path: string, view: View = {}): string {
    return fill(readTemplate(path), view, `templates/${path}`);
}

/** An entry of cloud-init's `write_files`. */
function file(path: string, from: string, view: View = {}) {
    return { path, content: template(from, view) };
}

function packed(text: string): string {
    return quote(gzipSync(text, { level: 9 }).toString("base64"));
}
