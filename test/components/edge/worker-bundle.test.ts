import assert from "node:assert/strict";
import { workerBundle } from "../../../components/edge/worker-bundle";

describe("The Worker's bundle", () => {
    it("is one module with a default export and no import", () => {
        const bundle = workerBundle();
        assert.match(bundle, /export \{\n {2}\w+ as default\n\};\n$/);
        assert.doesNotMatch(
            bundle,
            /\b(import|require)\s*[({"]|\bimport\s.+\bfrom\b|sourceMappingURL|process\.|Buffer\b/,
        );
    });
});
