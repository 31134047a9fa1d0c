/** What the stand-ins take, and what they see as a difference. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { INPUTS_FILE, refusals, SHAPES } from "../../../rehearsal/stand-ins/shapes";
import { differences, sealed, secretNames, UNKNOWN } from "../../../rehearsal/stand-ins/values";
import { inputsText } from "../../../rehearsal/stand-ins/write-inputs";
import { imaginaryProviders } from "../../support/imaginary";

const CONTAINER = "docker:index/container:Container";

describe("The inputs that stand-ins take", () => {
    it("are those of the packages that are installed", function () {
        this.timeout(120_000);
        assert.equal(readFileSync(INPUTS_FILE, "utf8"), inputsText(), "run rehearsal/stand-ins/write-inputs.ts");
    });

    it("are refused by path: a name that is unknown, one that is missing, another type, at any depth", () => {
        const image = "sha256:0";
        assert.deepEqual(refusals(CONTAINER, { image, ports: [{ internal: 443, external: "8443" }] }), []);
        assert.deepEqual(refusals(CONTAINER, { image, memory: UNKNOWN, labels: UNKNOWN }), []);
        assert.deepEqual(
            refusals(CONTAINER, {
                imagee: image,
                ports: [{ internal: "https" }, { extern: 1 }],
                command: "nginx",
                tmpfs: { "/tmp": 1 },
                init: "maybe",
            }).map(({ property, reason }) => `${property} ${reason.replace(/; there are .*/, "")}`),
            [
                "image is missing, and must be set",
                "imagee is no input",
                "ports[0].internal must be a number, got string",
                "ports[1].internal is missing, and must be set",
                "ports[1].extern is no input",
                "command must be a list, got string",
                "tmpfs./tmp must be a string, got number",
                "init must be a boolean, got string",
            ],
        );
    });

    it("are known of every resource type that a stand-in has, and of no other", () => {
        const standIns = imaginaryProviders().flatMap((provider) => Object.keys(provider.standIns));
        const types = Object.keys(SHAPES).filter((type) => !type.startsWith("pulumi:providers:"));
        assert.deepEqual(types.sort(), standIns.sort());
    });
});

describe("A difference", () => {
    it("is seen at its path, a list as a whole, and of what is missing or null as nothing", () => {
        const before = { disk: { size: 8, kind: "gp3" }, ports: [{ internal: 1 }], gone: null, same: [1, { a: 1 }] };
        const after = { disk: { size: 9, kind: "gp3" }, ports: [{ internal: 2 }], same: [1, { a: 1 }], added: "x" };
        assert.deepEqual(differences(before, after).sort(), ["added", "disk.size", "ports"]);
        assert.deepEqual(differences(before, structuredClone(before)), []);
    });

    it("is all that is not known yet", () => {
        assert.deepEqual(differences({ a: "1", b: [1] }, { a: UNKNOWN, b: [UNKNOWN] }), ["a", "b"]);
        assert.deepEqual(differences({ a: UNKNOWN }, { a: UNKNOWN }), ["a"]);
    });
});

describe("A secret", () => {
    it("makes the whole property that it is in a secret", () => {
        const secret = sealed({ key: "k" }, new Set(["key"])).key;
        const inputs = { uploads: [{ file: "a", content: secret }], name: "front" };
        assert.deepEqual([...secretNames(inputs)], ["uploads"]);
        const state = sealed({ uploads: [{ file: "a", content: "k" }], name: "front" }, secretNames(inputs));
        assert.deepEqual([...secretNames(state)], ["uploads"]);
    });
});
