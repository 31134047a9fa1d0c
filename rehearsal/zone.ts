/** The records of the rehearsal's zone, in a file: the program makes them in a process of its own. */
import { existsSync, readFileSync } from "node:fs";
import type { DnsRecords } from "./dns";
import { writeWhole } from "./whole-file";

type AddressType = "A" | "AAAA";

/** A zone with addresses in it. */
export class Zone {
    constructor(private readonly file: string) {}

    /** Enters an address, in place of the one of that name and type. */
    enter(name: string, type: AddressType, address: string): void {
        const records = this.records();
        this.write({ ...records, [name]: { ...records[name], [type]: [address] } });
    }

    remove(name: string, type: AddressType): void {
        const { [name]: { [type]: _, ...left } = {}, ...others } = this.records();
        this.write(Object.keys(left).length > 0 ? { ...others, [name]: left } : others);
    }

    /** By name. */
    records(): Record<string, DnsRecords> {
        return existsSync(this.file) ? JSON.parse(readFileSync(this.file, "utf8")) : {};
    }

    private write(records: Readonly<Record<string, DnsRecords>>): void {
        writeWhole(this.file, JSON.stringify(records));
    }
}
