/** `value` as one word of a POSIX shell: the only way in which a value reaches a command line. */
export function quote(value: string): string {
    return `'${value.replaceAll("'", "'\\''")}'`;
}
