/** The Docker Hub account that the relays pull with. */

import { say } from "../language/say";
import { ask } from "./ask";
import { type Check, Remark } from "./finding";
import type { Surroundings } from "./surroundings";

/** Where Docker Hub gives a token for pulls of a repository: https://distribution.github.io/distribution/spec/auth/token/ */
export function pullTokenUrl({ services }: Surroundings, repository: string): string {
    return `${services.hubTokens}/token?service=registry.docker.io&scope=repository:${repository}:pull`;
}

/**
 * Asks for a pull token of a public image with the account's name and access token. It is the relays that will, so no
 * answer here says nothing about them.
 *
 * Source: https://distribution.github.io/distribution/spec/auth/token/
 */
export function hubCheck(where: Surroundings, username: string, token: string | undefined): Check {
    const { hubTokens } = where.services;
    return {
        what: say("Docker Hub account"),
        where: username,
        todo: say("make an access token at app.docker.com, then pulumi config set --secret dockermirror:hubToken"),
        ask: async () => {
            if (token === undefined) throw new Remark("skipped", say("the secret hubToken cannot be read here"));
            const { status } = await ask(where, {
                url: pullTokenUrl(where, "library/alpine"),
                headers: { Authorization: `Basic ${Buffer.from(`${username}:${token}`).toString("base64")}` },
                statusOnly: true,
            }).catch((error: Error) => {
                throw new Remark(
                    "skipped",
                    say("{host}: {message}; the relays will ask it", {
                        host: new URL(hubTokens).host,
                        message: error.message,
                    }),
                );
            });
            if (status === 200) return say("the access token is taken");
            throw new Error(
                say("the access token is refused: {host} answers {status}", { host: new URL(hubTokens).host, status }),
            );
        },
    };
}
