import { startNginxRelay } from "../support/nginx-relay";
import { relayContract } from "./contract";

relayContract("Nginx", startNginxRelay);
