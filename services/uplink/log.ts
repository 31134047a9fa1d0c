/** One JSON line an event, to standard output. */

export type LogFields = Readonly<Record<string, unknown>>;

/** Writes one line. `message` is a constant sentence to search for; what varies goes into the fields. */
export type Log = (level: "info" | "warn" | "error", message: string, fields?: LogFields) => void;

/** A log that writes to `write`, one JSON line a call. */
export function jsonLog(write: (line: string) => void): Log {
    return (level, message, fields = {}) => {
        write(`${JSON.stringify({ time: new Date().toISOString(), level, message, ...fields })}\n`);
    };
}
