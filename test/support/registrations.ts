/** What the mock monitor of Pulumi's SDK is told of each resource: the options, which its hook does not see. */
import type { RegisterResourceRequest } from "@pulumi/pulumi/proto/resource_pb";
import { MockMonitor } from "@pulumi/pulumi/runtime/mocks";
import { getMonitor } from "@pulumi/pulumi/runtime/settings";

type MonitorCallback = Parameters<MockMonitor["registerResource"]>[1];

/**
 * Shows each resource's registration to `note` before the mock hook sees the resource: the hook is not told the options.
 * Call it after `setMocks`.
 */
export function onRegistration(note: (request: RegisterResourceRequest) => void): void {
    const monitor: unknown = getMonitor();
    if (!(monitor instanceof MockMonitor)) throw new Error("Pulumi's mock monitor is not in place");
    const register = monitor.registerResource.bind(monitor);
    monitor.registerResource = async (request: RegisterResourceRequest, callback: MonitorCallback) => {
        note(request);
        await register(request, callback);
    };
}
