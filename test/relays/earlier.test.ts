/** Relays of the release before this one keep the contract as they did: what today's uplink can count on of them. */
import { earlierRelays } from "../support/earlier-relays";
import { relayContract } from "./contract";

const { version, startNginx, startWorker } = earlierRelays("0.3.0");

relayContract(`Nginx ${version}`, startNginx, version);
relayContract(`Worker ${version}`, startWorker, version);
