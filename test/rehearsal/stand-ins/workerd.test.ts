import assert from "node:assert/strict";
import { issue, makeCa } from "../../../rehearsal/pki";
import { type WorkerBinding, type WorkerScript, workerdConfig } from "../../../rehearsal/stand-ins/workerd";
import { send } from "../../support/relay";
import { startWorkerd } from "../../support/workerd";

const HOSTNAME = "worker.example.com";
const ECHO = `
export default {
    async fetch(request, env) {
        const allowed = env.LIMIT ? [await env.LIMIT.limit({ key: "a" }), await env.LIMIT.limit({ key: "b" })] : [];
        return Response.json({ ...env, LIMIT: undefined, url: request.url, allowed });
    },
};
`;

describe("workerdConfig", () => {
    const ca = makeCa("workerd stand-in");
    const place = { listen: "127.0.0.1:0", tls: issue(ca, [HOSTNAME]), trustedCa: ca.cert };
    const script = (...bindings: WorkerBinding[]): WorkerScript => ({
        content: ECHO,
        mainModule: "worker.js",
        compatibilityDate: "2026-09-01",
        bindings,
    });

    /** What the Worker of a script answers, asked `times` times over TLS with the right host name. */
    async function answers(of: WorkerScript, times = 1): Promise<any[]> {
        const workerd = await startWorkerd(workerdConfig(of, place));
        try {
            const relay = { origin: `https://127.0.0.1:${workerd.port}`, hostname: HOSTNAME, ca: ca.cert };
            const all: any[] = [];
            while (all.length < times) all.push(JSON.parse((await send(relay, "GET", "/v2/")).body.toString()));
            return all;
        } finally {
            await workerd.stop();
        }
    }

    it("is accepted by workerd, which serves the Worker over TLS", async () => {
        const [{ url }] = await answers(script());
        assert.equal(url, `https://${HOSTNAME}/v2/`);
    });

    it("hands bindings over character for character", async () => {
        const text = 'quotes " and \\ and \n and \t and ünïcödé and ); services = [';
        const [env] = await answers(
            script(
                { type: "plain_text", name: "PLAIN", text },
                { type: "secret_text", name: "SECRET", text: `${text}!` },
            ),
        );
        assert.equal(env.PLAIN, text);
        assert.equal(env.SECRET, `${text}!`);
    });

    it("limits rates by key", async () => {
        const limit = { type: "ratelimit", name: "LIMIT", simple: { limit: 2, period: 60 } };
        // A new window may begin once in between; five requests are more than two windows allow.
        const all = await answers(script(limit), 5);
        assert.deepEqual(all[0].allowed, [{ success: true }, { success: true }]);
        assert.ok(all.some(({ allowed }) => allowed[0].success === false && allowed[1].success === false));
    });

    it("refuses a binding that has no counterpart", () => {
        assert.throws(
            () => workerdConfig(script({ type: "kv_namespace", name: "STORE" }), place),
            /STORE: .*no counterpart of "kv_namespace"; known are plain_text, secret_text, ratelimit/,
        );
    });
});
