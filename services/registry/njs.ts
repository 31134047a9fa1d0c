/**
 * What nginx' JavaScript shares with the Worker, in one module for it (components/overseas/njs-module.ts): both relays
 * then decide alike.
 */
import {
    firstTag,
    firstType,
    isGzip,
    mayBeAskedByRange,
    nextLink,
    plainValue,
    refusalOfContent,
    sizeByRange,
} from "./answer-headers";
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
    unreadableToken,
    withoutVerdict,
} from "./final-answers";
import { readLocation } from "./location";
import { readSaidDigest } from "./said-digest";
import { readTokenAnswer } from "./token-answer";

export {
    ERROR_BODY_MAX,
    firstTag,
    firstType,
    isAccountRefused,
    isContent,
    isErrorBody,
    isGzip,
    mayBeAskedByRange,
    mayHaveErrorBody,
    nextLink,
    plainValue,
    presentedKey,
    readLocation,
    readSaidDigest,
    readTokenAnswer,
    refusalOfContent,
    refusalOfRegistry,
    refusalOfTokenService,
    sizeByRange,
    tooManyFromAddress,
    unreadableToken,
    withoutVerdict,
};
