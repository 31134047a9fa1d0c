/** Signed questions to AWS: the Query protocol of STS and EC2, and JSON of the rest. */
import { AwsV4Signer } from "aws4fetch";
import { ask } from "./ask";
import type { Surroundings } from "./surroundings";

/** A refusal in AWS' own words. */
export class AwsError extends Error {
    constructor(
        /** Such as `UnauthorizedOperation`. */
        readonly code: string,
        message: string,
    ) {
        // The encoded half of an authorization failure is for AWS alone.
        super(`${code}: ${message.split(/ Encoded authorization failure|\. User: /)[0]}`);
    }
}

/** Versions of the APIs of the Query protocol. */
const QUERY_VERSIONS = { ec2: "2016-11-15", sts: "2011-06-15" };

/**
 * An action of EC2 or STS. Its answer is XML.
 *
 * @throws AwsError
 */
export async function query(
    where: Surroundings,
    service: keyof typeof QUERY_VERSIONS,
    region: string,
    action: string,
    parameters: Readonly<Record<string, string>> = {},
): Promise<string> {
    const form = new URLSearchParams({ Action: action, Version: QUERY_VERSIONS[service], ...parameters });
    const headers = { "Content-Type": "application/x-www-form-urlencoded; charset=utf-8" };
    const { status, text } = await signed(where, service, region, headers, form.toString());
    if (status === 200) return text;
    const [code = `status ${status}`] = texts(text, "Code");
    const [message = ""] = texts(text, "Message");
    throw new AwsError(code, message);
}

/** Prefixes of the actions' names in the APIs of the JSON protocol. */
const TARGETS = { lightsail: "Lightsail_20161128", servicequotas: "ServiceQuotasV20190624" };

/**
 * An action of an API that speaks JSON.
 *
 * @throws AwsError
 */
export async function json<T>(
    where: Surroundings,
    service: keyof typeof TARGETS,
    region: string,
    action: string,
    parameters: object = {},
): Promise<T> {
    const headers = { "Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": `${TARGETS[service]}.${action}` };
    const { status, text } = await signed(where, service, region, headers, JSON.stringify(parameters));
    if (status === 200) return JSON.parse(text) as T;
    const [, code = `status ${status}`] = /"__type"\s*:\s*"(?:[^"]*#)?([^"]+)"/.exec(text) ?? [];
    const [, message = ""] = /"[mM]essage"\s*:\s*"([^"]*)"/.exec(text) ?? [];
    throw new AwsError(code, message);
}

/** What stands in every `<tag>` of an answer that has no tags in it. */
export function texts(xml: string, tag: string): string[] {
    return [...xml.matchAll(new RegExp(`<${tag}>([^<]*)</${tag}>`, "g"))].map(([, text = ""]) => text);
}

async function signed(
    where: Surroundings,
    service: string,
    region: string,
    headers: Record<string, string>,
    body: string,
) {
    const signer = new AwsV4Signer({
        ...(await where.awsCredentials()),
        url: `${where.services.aws(service, region)}/`,
        method: "POST",
        headers,
        body,
        service,
        region,
    });
    const request = await signer.sign();
    return ask(where, {
        url: request.url.toString(),
        method: "POST",
        headers: Object.fromEntries(request.headers.entries()),
        body,
    });
}
