/** Cloudflare's rows, against a double of its API on loopback. Proves nothing of what the real one answers. */
import assert from "node:assert/strict";
import { type CloudflareUse, cloudflareCheck } from "../../checks/cloudflare";
import { look } from "../../checks/finding";
import { Double, everywhere, type Reply, worldOf } from "../support/world";

const TOKEN = "t".repeat(40);
const ACCOUNT = "0123456789abcdef0123456789abcdef";
const USE: CloudflareUse = { token: TOKEN, zone: "example.com", records: ["vm.example.com"], workersIn: ACCOUNT };
const ZONE = {
    id: "z1",
    status: "active",
    permissions: ["#dns_records:edit", "#dns_records:read", "#zone:read"],
    name_servers: ["a.ns.cloudflare.com", "b.ns.cloudflare.com"],
};

const good = (result: unknown): Reply => [200, { success: true, errors: [], result }];
const bad = (status: number, code: number, message: string): Reply => [
    status,
    { success: false, errors: [{ code, message }], result: null },
];

/** What the double answers when all is well, by path. */
const WELL: Readonly<Record<string, Reply>> = {
    "/cloudflare/ips": good({}),
    "/cloudflare/user/tokens/verify": good({ id: "1", status: "active" }),
    "/cloudflare/zones?name=example.com": good([ZONE]),
    "/cloudflare/zones/z1/dns_records?name=vm.example.com": good([]),
    [`/cloudflare/accounts/${ACCOUNT}/workers/scripts`]: good([]),
};

/** Rows by what they are about: state and note. */
async function rows(use: CloudflareUse, replies: Readonly<Record<string, Reply>>) {
    const double = await Double.start(({ path, headers }) => {
        const open = path === "/cloudflare/ips";
        return open || headers.authorization === `Bearer ${use.token}` ? { ...WELL, ...replies }[path] : [401, "{}"];
    });
    const findings = await look(cloudflareCheck(worldOf({ services: everywhere(double.url) }), use));
    await double.stop();
    return Object.fromEntries(findings.map(({ what, state, note, todo = "" }) => [what, { state, note, todo }]));
}

describe("Cloudflare", () => {
    it("is ready: token, zone, right to edit DNS, right to Workers", async () => {
        const found = await rows(USE, {});
        assert.deepEqual(
            Object.entries(found).map(([what, { state, note }]) => [what, state, note]),
            [
                ["Cloudflare's API", "ok", "answers 200"],
                ["Cloudflare token", "ok", "is active"],
                ["zone", "ok", "is active"],
                ["right to edit DNS", "ok", "given; the name is free"],
                ["right to Workers", "ok", "scripts can be read; whether they can be edited is not told"],
            ],
        );
    });

    it("that cannot be reached fails once, and the rest is skipped", async () => {
        const findings = await look(cloudflareCheck(worldOf({}), USE));
        assert.deepEqual(
            findings.map(({ state }) => state),
            ["failed", "skipped", "skipped", "skipped", "skipped"],
        );
        assert.equal(findings[0]?.note, "the connection is refused");
        assert.match(findings[0]?.todo ?? "", /HTTPS_PROXY/);
    });

    it("needs a token where the stack has something there, and tells where to put it", async () => {
        const found = await rows({ ...USE, token: undefined }, {});
        assert.equal(found["Cloudflare token"]?.state, "failed");
        assert.match(found["Cloudflare token"]?.todo ?? "", /CLOUDFLARE_API_TOKEN/);
        const none = await rows({ records: [] }, {});
        assert.equal(none["Cloudflare token"]?.state, "skipped");
    });

    it("is not asked with what the provider would refuse", async () => {
        const { "Cloudflare token": row } = await rows({ ...USE, token: "short" }, {});
        assert.equal(row?.state, "failed");
        assert.match(row?.note ?? "", /must be 40 to 80 of .*, got 5 characters/);
        assert.doesNotMatch(row?.note ?? "", /short/);
    });

    it("refuses a wrong token in its own words", async () => {
        const wrong = bad(401, 1000, "Invalid API Token");
        const replies = { "/cloudflare/user/tokens/verify": wrong, "/cloudflare/zones?per_page=1": wrong };
        const { "Cloudflare token": row } = await rows({ ...USE, workersIn: undefined }, replies);
        assert.deepEqual([row?.state, row?.note], ["failed", "is refused: Invalid API Token (1000)"]);
    });

    it("tells a token that has been switched off", async () => {
        const replies = {
            "/cloudflare/user/tokens/verify": good({ id: "1", status: "disabled" }),
            "/cloudflare/zones?per_page=1": bad(403, 9109, "Unauthorized"),
        };
        const { "Cloudflare token": row } = await rows({ ...USE, workersIn: undefined }, replies);
        assert.deepEqual([row?.state, row?.note], ["failed", "is disabled"]);
    });

    it("takes an account's own token, whose account is in the settings or not", async () => {
        const unknown = { "/cloudflare/user/tokens/verify": bad(401, 1000, "Invalid API Token") };
        const verify = `/cloudflare/accounts/${ACCOUNT}/tokens/verify`;
        const named = await rows(USE, { ...unknown, [verify]: good({ status: "active", expires_on: "2027-01-01" }) });
        assert.equal(named["Cloudflare token"]?.note, "is active until 2027-01-01");
        const other = { ...USE, workersIn: undefined };
        const unnamed = await rows(other, { ...unknown, "/cloudflare/zones?per_page=1": good([]) });
        assert.equal(unnamed["Cloudflare token"]?.note, "is taken, an account's own");
    });

    it("tells a zone that the token does not see", async () => {
        const found = await rows(USE, { "/cloudflare/zones?name=example.com": good([]) });
        assert.equal(found.zone?.state, "failed");
        assert.equal(found["right to edit DNS"]?.state, "skipped");
    });

    it("tells the name servers of a zone that is not active", async () => {
        const pending = { ...ZONE, status: "pending" };
        const found = await rows(USE, { "/cloudflare/zones?name=example.com": good([pending]) });
        assert.deepEqual(found.zone, {
            state: "failed",
            note: "is pending, not active",
            todo: "set a.ns.cloudflare.com, b.ns.cloudflare.com at the domain's registrar",
        });
    });

    it("tells a token that may read DNS only, and one that may not read it", async () => {
        const reader = { ...ZONE, permissions: ["#dns_records:read", "#zone:read"] };
        const reads = await rows(USE, { "/cloudflare/zones?name=example.com": good([reader]) });
        assert.equal(reads["right to edit DNS"]?.state, "failed");
        assert.match(reads["right to edit DNS"]?.note ?? "", /may read records and not edit them/);
        const refused = bad(403, 10000, "Authentication error");
        const none = await rows(USE, { "/cloudflare/zones/z1/dns_records?name=vm.example.com": refused });
        assert.match(none["right to edit DNS"]?.note ?? "", /may not read the records: Authentication error \(10000\)/);
    });

    it("tells what has the name already, and what it cannot tell", async () => {
        const record = good([{ type: "A", content: "198.51.100.7" }]);
        const silent = good([{ ...ZONE, permissions: [] }]);
        const found = await rows(USE, {
            "/cloudflare/zones/z1/dns_records?name=vm.example.com": record,
            "/cloudflare/zones?name=example.com": silent,
        });
        assert.deepEqual(
            found["right to edit DNS"]?.note,
            "records can be read; whether they can be edited is not told; there is A 198.51.100.7, which must be this stack's own",
        );
    });

    it("tells a token without Workers", async () => {
        const refused = bad(403, 10000, "Authentication error");
        const found = await rows(USE, { [`/cloudflare/accounts/${ACCOUNT}/workers/scripts`]: refused });
        assert.equal(found["right to Workers"]?.state, "failed");
        assert.match(found["right to Workers"]?.todo ?? "", /Workers Scripts · Edit/);
    });

    it("is not taken for something else that answers in its place", async () => {
        const found = await rows(USE, { "/cloudflare/user/tokens/verify": [200, "<html>log in to the hotel</html>"] });
        assert.match(found["Cloudflare token"]?.note ?? "", /something answers in its place/);
    });

    it("has no zone yet where the stack is to make it", async () => {
        const use = { token: TOKEN, zone: "example.com", createIn: ACCOUNT, records: [] };
        const fresh = await rows(use, { "/cloudflare/zones?name=example.com": good([]) });
        assert.equal(fresh["zone to be made"]?.state, "ok");
        const there = await rows(use, {});
        assert.equal(there["zone to be made"]?.state, "warning");
    });
});

describe("The token for DNS-01", () => {
    it("is asked for the same zone by itself", async () => {
        const dnsToken = "d".repeat(40);
        const double = await Double.start(({ path }) => WELL[path]);
        const where = worldOf({ services: everywhere(double.url) });
        const findings = await look(cloudflareCheck(where, { ...USE, workersIn: undefined, dnsToken }));
        await double.stop();
        assert.deepEqual(
            findings.slice(-3).map(({ what, state }) => [what, state]),
            [
                ["token for DNS-01", "ok"],
                ["zone", "ok"],
                ["right to edit DNS", "ok"],
            ],
        );
        const own = double.asked.filter(({ headers }) => headers.authorization === `Bearer ${dnsToken}`);
        assert.deepEqual(
            own.map(({ path }) => path),
            [
                "/cloudflare/user/tokens/verify",
                "/cloudflare/zones?name=example.com",
                "/cloudflare/zones/z1/dns_records?name=vm.example.com",
            ],
        );
    });
});
