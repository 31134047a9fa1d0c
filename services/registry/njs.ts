/**
 * What nginx' JavaScript shares with the Worker, in one module for it (components/overseas/njs-module.ts): both relays
 * then decide alike.
 */
export { presentedKey } from "./credentials";
export * from "./final-answers";
