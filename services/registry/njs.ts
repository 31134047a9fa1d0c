/** What relay.js of the relay Nginx takes from here, by components/overseas/njs.ts. */
export {
    ERROR_BODY_MAX,
    isContent,
    isErrorBody,
    mayHaveErrorBody,
    refusalOfRegistry,
    refusalOfTokenService,
} from "./final-answers";
export { isPage } from "./media";
export { retryAfterSeconds } from "./retry-after";
