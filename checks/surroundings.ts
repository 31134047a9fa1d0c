/** From where the checks ask and whom: handed to every one, so that a test can put its own in place of the world. */
import { defaultProvider } from "@aws-sdk/credential-provider-node";
import { type Dispatcher, EnvHttpProxyAgent } from "undici";
import { say } from "../language/say";
import { attempt } from "../rehearsal/run";
import { anyAddressConnector, type ConnectTimes } from "../services/connection/connector";

/** The services of the world, as URLs without a slash at the end. */
export interface Services {
    readonly pulumi: string;
    readonly github: string;
    readonly githubApi: string;
    readonly cloudflare: string;
    readonly hubTokens: string;
    readonly hubRegistry: string;
    /** Answers with the address that it was asked from. */
    readonly ownAddress: string;
    /** A regional endpoint of AWS (https://docs.aws.amazon.com/general/latest/gr/rande.html). */
    readonly aws: (service: string, region: string) => string;
}

/** What requests to AWS are signed with. */
export interface AwsCredentials {
    readonly accessKeyId: string;
    readonly secretAccessKey: string;
    readonly sessionToken?: string;
}

/** What a check needs besides its subject. */
export interface Surroundings {
    readonly env: NodeJS.ProcessEnv;
    readonly services: Services;
    /** How HTTP goes out. */
    readonly dispatcher: Dispatcher;
    readonly awsCredentials: () => Promise<AwsCredentials>;
    /** Runs a program to its end. */
    readonly run: typeof attempt;
    /** Within which an answer must have come. */
    readonly seconds: number;
}

/** The real ones. */
export const SERVICES: Services = {
    pulumi: "https://get.pulumi.com",
    github: "https://github.com",
    githubApi: "https://api.github.com",
    cloudflare: "https://api.cloudflare.com/client/v4",
    hubTokens: "https://auth.docker.io",
    hubRegistry: "https://registry-1.docker.io",
    ownAddress: "https://checkip.amazonaws.com",
    aws: (service, region) => `https://${service}.${region}.amazonaws.com`,
};

const ANSWER_SECONDS = 15;

/** No step of a connection gives up before the whole question does. */
export function connectTimes(seconds: number): ConnectTimes {
    return { lookupMs: seconds * 1000, tcpMs: seconds * 1000, tlsMs: seconds * 1000 };
}

/** @throws Error for a proxy that is no URL: what it has of a password is not repeated. */
function refuseBrokenProxy(env: NodeJS.ProcessEnv): void {
    for (const name of ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY"]) {
        const value = env[name];
        if (value && !(/^https?:/i.test(value) && URL.canParse(value)))
            throw new Error(say("the environment's {name} must be a URL such as http://proxy.example:3128", { name }));
    }
}

/** The world as this process sees it: through the proxy of `HTTPS_PROXY` and `NO_PROXY`, as Pulumi and its providers. */
export function theWorld(env: NodeJS.ProcessEnv): Surroundings {
    refuseBrokenProxy(env);
    return {
        env,
        services: SERVICES,
        // A proxy has connections of undici's own: it is near.
        dispatcher: new EnvHttpProxyAgent({ connect: anyAddressConnector({ times: connectTimes(ANSWER_SECONDS) }) }),
        // The chain of the AWS provider: environment, profile files, SSO, web identity, the machine's own role.
        awsCredentials: defaultProvider(),
        run: attempt,
        seconds: ANSWER_SECONDS,
    };
}
