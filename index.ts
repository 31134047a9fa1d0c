import * as cloudflare from "@pulumi/cloudflare";
import * as pulumi from "@pulumi/pulumi";
import { WorkerRelay } from "./components/edge/worker-relay";
import { OnpremSite } from "./components/onprem/onprem-site";
import { NginxRelay } from "./components/overseas/nginx-relay";
import { RelayKeys } from "./components/relay-keys";
import { readSettings, warnings } from "./stacks/settings";

const { edge, overseas, onprem, ...settings } = readSettings(new pulumi.Config());
