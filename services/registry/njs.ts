/**
 * What nginx' JavaScript shares with the Worker, in one module for it (components/overseas/njs-module.ts): both relays
 * then decide alike.
 */
import { presentedKey } from "./credentials";
import {
    ERROR_BODY_MAX,
    isAccountRefused,
    isContent,
    isErrorBody,
    mayHaveErrorBody,
    refusalOfRegistry,
    refusalOfTokenService,
    tooManyFromAddress,
    withoutVerdict,
} from "./final-answers";

export {
    ERROR_BODY_MAX,
    isAccountRefused,
    isContent,
    isErrorBody,
    mayHaveErrorBody,
    presentedKey,
    refusalOfRegistry,
    refusalOfTokenService,
    tooManyFromAddress,
    withoutVerdict,
};
