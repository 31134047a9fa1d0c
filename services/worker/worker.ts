/** The relay as a Cloudflare Worker: https://developers.cloudflare.com/workers/runtime-apis/handlers/fetch/. */
import { Relay, type WaitUntil } from "./relay";
import { type Env, readSettings } from "./settings";

// An isolate serves many requests, and its tokens are worth keeping from one to the next.
let relay: Relay | undefined;

export default {
    fetch(request: Request, env: Env, context: { waitUntil: WaitUntil }): Promise<Response> {
        relay ??= new Relay(readSettings(env));
        return relay.answer(request, (work) => context.waitUntil(work));
    },
};
