/** What an instance type says by its name. What Ec2Machine makes is tested with RelayHost, which makes it. */
import assert from "node:assert/strict";
import { architecture, isBurstable } from "../../../components/overseas/ec2-machine";

describe("An EC2 instance type", () => {
    const arm64 = ["t4g.micro", "c7gn.large", "m6gd.xlarge", "im4gn.large", "x2gd.medium", "g5g.xlarge", "a1.medium"];
    const amd64 = [
        "t3.micro",
        "t3a.micro",
        "t2.nano",
        "g4dn.xlarge",
        "g6.xlarge",
        "m7i.large",
        "c7a.medium",
        "u-6tb1.metal",
    ];

    it("has Graviton where a g stands behind the generation", () => {
        for (const type of arm64) assert.equal(architecture(type), "arm64", type);
        for (const type of amd64) assert.equal(architecture(type), "amd64", type);
    });

    it("collects credits in the T families alone", () => {
        const burstable = [...arm64, ...amd64].filter(isBurstable);
        assert.deepEqual(burstable, ["t4g.micro", "t3.micro", "t3a.micro", "t2.nano"]);
    });
});
