import { startWorkerRelay } from "../support/worker-relay";
import { relayContract } from "./contract";

relayContract("Worker", startWorkerRelay);
