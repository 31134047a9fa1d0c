/** The steps of the proof that are about relays of other stacks: the last of them, and a key rotated there and then here. */
import { strict as assert } from "node:assert";
import type { ProofImage } from "../catalogue";
import { reference, type SceneRelay } from "../scene";
import { refersTo } from "../stacks";
import { keyIdOf, keySettings } from "./keys";
import type { ProofInputs, StepOf } from "./step";

/** What a stack with relays of another stack goes through; nothing where it has none. */
export function sharedSteps({ scene, catalogue, program }: ProofInputs): Record<string, StepOf> {
    const relay = scene.relays.find((each) => each.program !== program);
    if (!relay) return {};
    const { name } = relay;
    const last = scene.relays.at(-1) ?? relay;
    const keys = (): Record<string, string> => relay.program.outputs.relayKeys;

    /** The office takes the current key of its name: by reference, or because somebody has told it. */
    const takeNewest = async (keyName: string) => {
        const [current] = keySettings(Object.keys(keys())).filter((key) => key.name === keyName);
        const newest = keys()[keyIdOf(current)];
        await program.up(refersTo(program.stackConfig, relay.program.stack) ? {} : { relayKey: newest });
        await scene.healthy(relay);
    };
    /** Id of the key that the uplink has, by its value. */
    const configured = async () => {
        const found = (await scene.uplinkRelays()).find((each) => each.name === name);
        return Object.keys(keys()).find((id) => keys()[id] === found?.key) ?? "none that is valid";
    };
    /** Pulls a new image while no relay before this one answers. */
    const pullThrough = async (through: SceneRelay, image: ProofImage) => {
        const [platform] = catalogue.images[image].made.platforms;
        const before = await scene.bytesThrough(through);
        await scene.asFirst(through, async () => {
            const digest = await scene.pull("client-1", reference(catalogue.images[image]));
            assert.equal(digest, platform?.config.digest, "config digest");
        });
        const linkBytes = (await scene.bytesThrough(through)) - before;
        const imageBytes = platform?.size ?? 0;
        assert.ok(linkBytes >= imageBytes, `${linkBytes} bytes of ${imageBytes} came through ${through.name}`);
        return { relay: through.name, linkBytes, imageBytes };
    };
    const isShown = async (id: string) => {
        assert.equal(await configured(), id, "the key that the uplink has");
        assert.equal(await scene.lastKeyId(relay), id, "the key that the relay's log names");
    };

    const farthest: Record<string, StepOf> = {
        "every relay but the last stopped, a new image": {
            needs: ["an on-prem site"],
            step: () => pullThrough(last, "farthest"),
        },
    };

    return {
        // With two it is what the proof shows of every stack.
        ...(scene.relays.length > 2 ? farthest : {}),
        "a key rotated: in the relays' stack, then in the office's": {
            needs: ["an on-prem site"],
            step: async () => {
                const started = Date.now();
                const [keyName = ""] = (await configured()).split(".");
                await takeNewest(keyName);
                const old = await configured();
                const rotated = keySettings(Object.keys(keys())).map((key) =>
                    key.name === keyName ? { ...key, generation: key.generation + 1 } : key,
                );
                await relay.program.up({ keys: rotated });
                await pullThrough(relay, "oldKey");
                await isShown(old);
                await takeNewest(keyName);
                const newest = keyIdOf(rotated.find((key) => key.name === keyName));
                await pullThrough(relay, "newKey");
                await isShown(newest);
                const before = await scene.status(relay, keys()[old] ?? "");
                assert.equal(before, "200", "the key before, which is valid until the next rotation");
                return { relay: name, seconds: (Date.now() - started) / 1000, note: `${old} → ${newest}` };
            },
        },
    };
}
