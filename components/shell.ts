/** `value` as one word of a POSIX shell: the only way in which a value reaches a command line. */
export function quote(value: string): string {
    return `'${value.replaceAll("'", "'\\''")}'`;
}

/** A command line that runs `script` as root, whoever the SSH user is, and leaves standard input to it. */
export function asRoot(script: string): string {
    return `script=${quote(script)}; if [ "$(id -u)" = 0 ]; then exec sh -c "$script"; else exec sudo -n sh -c "$script"; fi`;
}
