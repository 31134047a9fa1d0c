/** A machine overseas, and nothing else. */
import { RelayHost, type RelayHostArgs } from "../../../../components/overseas/relay-host";

export function program(args: RelayHostArgs) {
    const { id, address, connection } = new RelayHost("vm", args);
    return { id, address, connection };
}
