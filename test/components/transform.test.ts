import assert from "node:assert/strict";
import { child, type Transform } from "../../components/transform";

interface Args {
    readonly image: string;
    readonly memory?: number;
}

const ARGS: Args = { image: "nginx", memory: 256 };
const OPTS = { deleteBeforeReplace: true };

const transformed = (transform?: Transform<Args>) => child(transform, "front-container", ARGS, OPTS);

describe("child", () => {
    it("leaves name, arguments and options as they are when the user wants nothing else", () => {
        assert.deepEqual(transformed(), ["front-container", ARGS, OPTS]);
    });

    it("replaces the fields that the user gives, and keeps the others", () => {
        assert.deepEqual(transformed({ memory: 512 }), ["front-container", { image: "nginx", memory: 512 }, OPTS]);
    });

    it("lets the user edit arguments and options in place", () => {
        const [, args, opts] = transformed((all, options) => {
            (all as { image: string }).image = "nginx:1.28";
            options.protect = true;
        });
        assert.deepEqual(args, { image: "nginx:1.28", memory: 256 });
        assert.deepEqual(opts, { deleteBeforeReplace: true, protect: true });
    });

    it("edits copies: the component's own stay as they were", () => {
        transformed((all, options) => {
            Object.assign(all, { image: "other" });
            options.deleteBeforeReplace = false;
        });
        transformed({ image: "other" });
        assert.deepEqual([ARGS, OPTS], [{ image: "nginx", memory: 256 }, { deleteBeforeReplace: true }]);
    });
});
