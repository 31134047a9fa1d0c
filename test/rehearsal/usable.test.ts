import assert from "node:assert/strict";
import { parseStack, readStack } from "../../rehearsal/stack-file";
import { refuseUnusable } from "../../rehearsal/usable";

describe("refuseUnusable", () => {
    const { config } = readStack("local", {});
    const named = (name: string, more: Record<string, string>) => ({
        name,
        stackConfig: { config: { ...config, ...more }, secretKeys: [] },
    });

    it("takes what the program takes", () => {
        refuseUnusable([named("local", {})]);
    });

    it("names what stands beside the configuration, where nothing reads it, with every other problem", () => {
        const text = "encryptionsalt: v1:x\nzone: example.com\nconfig:\n  dockermirror:access: pubic\n";
        assert.throws(
            () => refuseUnusable([{ name: "acme", stackConfig: parseStack(text, {}) }]),
            (error: Error) => {
                const lines = error.message.split("\n").map((line) => line.slice(0, 48));
                assert.deepEqual(lines, [
                    "stacks/Pulumi.acme.yaml cannot be used:",
                    '  zone  stands beside "config:" and is not read:',
                    "  dockermirror:access  must be one of keys, publ",
                    "  dockermirror:edge  or overseas or onprem must ",
                ]);
                return true;
            },
        );
    });

    it("names every problem of every stack, by file", () => {
        const wrong = [
            named("acme", { "dockermirror:zone": "Example.com", "dockermirror:colour": "red" }),
            named("local", {}),
            named("globex", { "dockermirror:edge": "hub.example.com" }),
        ];
        assert.throws(
            () => refuseUnusable(wrong),
            (error: Error) => {
                const lines = error.message.split("\n").map((line) => line.slice(0, 40));
                assert.deepEqual(lines, [
                    "stacks/Pulumi.acme.yaml cannot be used:",
                    "  dockermirror:colour  is not a setting;",
                    "  dockermirror:zone  must be a host name",
                    "stacks/Pulumi.globex.yaml cannot be used",
                    "  dockermirror:edge  must be a mapping w",
                ]);
                return true;
            },
        );
    });
});
