import { DEBIANS } from "../../rehearsal/debian";
import { nginxRelayOn } from "../support/nginx-relay";
import { relayContract } from "./contract";

// Of each release that relays run on: njs 0.7.9 and 0.8.9 are years apart.
for (const debian of DEBIANS) relayContract(`Debian ${debian}'s Nginx`, nginxRelayOn(debian));
