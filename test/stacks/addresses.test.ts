import assert from "node:assert/strict";
import { isAnywhere, isPrivate, rangeProblem } from "../../stacks/addresses";

describe("An address range", () => {
    it("may be of either family, in any form of writing", () => {
        for (const range of [
            "10.0.0.0/8",
            "203.0.113.7/32",
            "0.0.0.0/0",
            "198.51.100.128/25",
            "::/0",
            "2001:db8::/32",
            "2001:DB8:0:0:1::/80",
            "2001:db8::7/128",
            "::ffff:203.0.113.0/120",
        ]) {
            assert.equal(rangeProblem(range), undefined, range);
        }
    });

    it("must be one, with a prefix that its family has", () => {
        for (const range of [
            "",
            "10.0.0.0",
            "10.0.0.0/33",
            "10.0.0.0/",
            "10.0.0.0/-1",
            "10.0.0/8",
            "10.0.0.0/8/8",
            "010.0.0.0/8",
            "2001:db8::/129",
            "2001:db8::1%eth0/128",
            "example.com/32",
        ]) {
            assert.match(rangeProblem(range) ?? "", /^must be an address range/, range);
        }
    });

    it("must have nothing behind its prefix, and says how the one address is written", () => {
        assert.match(rangeProblem("203.0.113.7/24") ?? "", /zeros behind its prefix; for the one address write \/32$/);
        assert.match(rangeProblem("203.0.113.128/24") ?? "", /zeros behind/);
        assert.match(rangeProblem("2001:db8::7/64") ?? "", /for the one address write \/128$/);
        assert.match(rangeProblem("2001:db8:1::/32") ?? "", /zeros behind/);
    });

    it("is private when all of it is", () => {
        for (const range of ["10.0.0.0/8", "10.1.2.0/24", "172.31.255.255/32", "100.64.0.0/10", "fd00::/8", "fc00::/7"])
            assert.equal(isPrivate(range), true, range);
        for (const range of [
            "172.0.0.0/8",
            "8.0.0.0/7",
            "0.0.0.0/0",
            "11.0.0.0/8",
            "2001:db8::/32",
            "::/0",
            "fe00::/7",
        ])
            assert.equal(isPrivate(range), false, range);
    });

    it("is the whole world when it is broader than any network, in one piece or in several", () => {
        for (const range of ["0.0.0.0/0", "0.0.0.0/1", "128.0.0.0/1", "10.0.0.0/7", "::/0", "2000::/3", "2400::/12"])
            assert.equal(isAnywhere(range), true, range);
        for (const range of ["11.0.0.0/8", "203.0.113.7/32", "240e::/18", "2001:db8::/32"])
            assert.equal(isAnywhere(range), false, range);
    });
});
