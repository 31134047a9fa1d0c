import assert from "node:assert/strict";
import * as pulumi from "@pulumi/pulumi";
import { currentKey, keyNames, RelayKeys, type RelayKeysArgs } from "../../components/relay-keys";
import { type Deployed, deploy } from "../support/deploy";

const PASSWORD = "random:index/randomPassword:RandomPassword";

type Found = Deployed & { readonly secret: boolean };

async function make(args: RelayKeysArgs): Promise<Found> {
    let secret = true;
    const deployed = await deploy(
        async () => {
            const { values, offices } = new RelayKeys("keys", args);
            const shown = Object.values(offices).flatMap(({ key, pullKey }) => [key, pullKey]);
            for (const key of [...Object.values(values), ...shown]) {
                secret &&= await pulumi.isSecret(pulumi.output(key));
            }
            return { values, offices };
        },
        // In plain: that a key is secret is this component's business.
        { outputs: { [PASSWORD]: (_, name) => ({ result: `made ${name}` }) } },
    );
    return { ...deployed, secret };
}

const passwords = ({ resources }: Deployed) => resources.filter(({ type }) => type === PASSWORD);

describe("RelayKeys", () => {
    it("makes one key of the first generation", async () => {
        const found = await make({ keys: [{ name: "acme", generation: 1 }] });
        assert.deepEqual(found.outputs, {
            values: { "acme.1": "made keys-acme.1" },
            offices: { acme: { key: "made keys-acme.1", pullKey: "made keys-acme.1" } },
        });
        const [password, ...more] = passwords(found);
        assert.equal(more.length, 0);
        assert.deepEqual(password?.inputs, { length: 48, special: false });
        assert.match(password?.parent ?? "", /dockermirror:index:RelayKeys::keys$/);
    });

    it("keeps of each name the generation before valid, the newest last, and no older one", async () => {
        const { outputs } = await make({
            keys: [
                { name: "acme", generation: 3 },
                { name: "globex", generation: 1 },
            ],
        });
        assert.deepEqual(Object.keys(outputs.values), ["acme.2", "acme.3", "globex.1"]);
        assert.deepEqual(outputs.offices, {
            acme: { key: "made keys-acme.3", pullKey: "made keys-acme.2" },
            globex: { key: "made keys-globex.1", pullKey: "made keys-globex.1" },
        });
    });

    it("leaves a key's resource as it was when the next generation comes", async () => {
        const [before] = passwords(await make({ keys: [{ name: "acme", generation: 1 }] }));
        const [after] = passwords(await make({ keys: [{ name: "acme", generation: 2 }] }));
        assert.deepEqual(after, before);
    });

    it("takes the user's own keys in place of made ones, by key id", async () => {
        const { outputs, secret } = await make({
            keys: [
                { name: "acme", generation: 2 },
                { name: "globex", generation: 1 },
            ],
            own: { "acme.2": "the user's own", "initech.1": "of nobody here" },
        });
        assert.deepEqual(outputs, {
            values: { "acme.1": "made keys-acme.1", "acme.2": "the user's own", "globex.1": "made keys-globex.1" },
            offices: {
                acme: { key: "the user's own", pullKey: "made keys-acme.1" },
                globex: { key: "made keys-globex.1", pullKey: "made keys-globex.1" },
            },
        });
        assert.equal(secret, true);
    });

    it("hands every key over as a secret", async () => {
        assert.equal((await make({ keys: [{ name: "acme", generation: 2 }] })).secret, true);
    });

    it("tells the current key of a name, and which names there are, from the values alone", () => {
        const values = { "acme.9": "nine", "acme.10": "ten", "acme-asia.11": "of another" };
        assert.deepEqual(keyNames(values), ["acme", "acme-asia"]);
        assert.deepEqual([currentKey(values, "acme"), currentKey(values, "acme-asia")], ["ten", "of another"]);
        assert.equal(currentKey(values, "globex"), undefined);
    });

    it("makes nothing where there is no relay", async () => {
        const { resources, outputs } = await make({ keys: [] });
        assert.equal(resources.length, 1);
        assert.deepEqual(outputs, { values: {}, offices: {} });
    });

    it("lets the user change what it makes", async () => {
        const [password] = passwords(
            await make({ keys: [{ name: "acme", generation: 1 }], transform: { key: { length: 64 } } }),
        );
        assert.equal(password?.inputs.length, 64);
    });
});
