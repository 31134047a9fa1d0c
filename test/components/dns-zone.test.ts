import assert from "node:assert/strict";
import { DnsZone, findZone } from "../../components/dns-zone";
import { deploy, only } from "../support/deploy";
import { onRegistration } from "../support/registrations";

const ZONE = "cloudflare:index/zone:Zone";
const NAME_SERVERS = ["ada.ns.cloudflare.com", "bob.ns.cloudflare.com"];
const ACCOUNT = "0123456789abcdef0123456789abcdef";

function deployZone(ready: boolean, status = "active", preview = false) {
    return deploy(
        () => {
            const { id, nameServers } = new DnsZone("zone", { name: "example.com", accountId: ACCOUNT, ready });
            return { id, nameServers };
        },
        {
            preview,
            outputs: { [ZONE]: () => ({ nameServers: NAME_SERVERS }) },
            functions: {
                "cloudflare:index/getZone:getZone": ({ zoneId }) => {
                    assert.equal(zoneId, "zone-zone-id");
                    return { id: zoneId, name: "example.com", status, nameServers: NAME_SERVERS };
                },
            },
        },
    );
}

describe("DnsZone", () => {
    it("makes the zone, and tells the registrar's name servers before it is active", async () => {
        const deployed = await deployZone(false, "pending");
        const { inputs } = only(deployed, ZONE);
        assert.deepEqual(inputs, { name: "example.com", account: { id: ACCOUNT }, type: "full" });
        assert.deepEqual(deployed.outputs, { id: "zone-zone-id", nameServers: NAME_SERVERS });
    });

    it("is kept when the stack is destroyed", async () => {
        const kept = new Map<string, boolean | undefined>();
        await deploy(() => {
            onRegistration((request) => kept.set(request.getName(), request.getRetainondelete()));
            return new DnsZone("zone", { name: "example.com", accountId: ACCOUNT, ready: false }).nodes;
        });
        assert.equal(kept.get("zone-zone"), true);
    });

    it("is handed on when Cloudflare calls it active", async () => {
        assert.deepEqual((await deployZone(true)).outputs, { id: "zone-zone-id", nameServers: NAME_SERVERS });
    });

    it("is not handed on while Cloudflare does not, whatever the settings say", async () => {
        await assert.rejects(deployZone(true, "pending"), (error: Error) => {
            assert.match(
                error.message,
                /the zone example\.com must be active .*got "pending": enter ada\.ns\.cloudflare\.com and bob/,
            );
            return true;
        });
    });

    it("can be previewed before it is there", async () => {
        const { inputs } = only(await deployZone(true, "pending", true), ZONE);
        assert.equal(inputs.name, "example.com");
    });
});

describe("findZone", () => {
    const find = (name: string | undefined) =>
        deploy(() => ({ ...findZone(name) }), {
            functions: {
                "cloudflare:index/getZone:getZone": ({ filter }) => ({
                    id: `id of ${filter.name}`,
                    nameServers: NAME_SERVERS,
                }),
            },
        });

    it("looks a zone up by its name, and makes nothing", async () => {
        const { resources, outputs } = await find("example.com");
        assert.deepEqual(resources, []);
        assert.deepEqual(outputs, { id: "id of example.com", nameServers: NAME_SERVERS });
    });

    it("finds none where none is named", async () => {
        assert.deepEqual((await find(undefined)).outputs, {});
    });
});
