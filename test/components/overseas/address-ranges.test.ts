/** Address ranges as AWS takes and shows them. */
import assert from "node:assert/strict";
import { byVersion, EVERYWHERE } from "../../../components/overseas/address-ranges";

describe("Address ranges", () => {
    it("are told apart by version, each once", () => {
        assert.deepEqual(byVersion(EVERYWHERE), { ipv4: ["0.0.0.0/0"], ipv6: ["::/0"] });
        assert.deepEqual(byVersion(["203.0.113.7/32", "2001:db8::/64", "203.0.113.7/32", "2001:DB8::/64"]), {
            ipv4: ["203.0.113.7/32"],
            ipv6: ["2001:db8::/64"],
        });
    });

    it("are written as AWS does, so that no rule looks changed for ever", () => {
        const written = ["::0/0", "2001:0DB8:0::/32", "2001:aaaa:bbbb::cccc:dddd:fe2b:7e9f/128"];
        assert.deepEqual(byVersion(written).ipv6, [
            "::/0",
            "2001:db8::/32",
            "2001:aaaa:bbbb:0:cccc:dddd:fe2b:7e9f/128",
        ]);
    });
});
