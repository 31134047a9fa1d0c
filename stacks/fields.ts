/** Fields that several settings have. */
import { z } from "zod";
import { publicAddressProblem, rangeProblem } from "./addresses";
import { hostnameProblem } from "./host-names";

const HOST_LABEL = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?";

/** A name of at least two labels. */
export const hostname = checked(hostnameProblem);

/** A short name: of a key, and of a relay. */
export const keyName = z.string().regex(/^[a-z0-9][a-z0-9-]{0,31}$/, "must be 1 to 32 characters of a-z, 0-9 and -");

/** Where somebody can be written to, in characters that mean nothing in the files that it lands in. */
export const contact = z
    .string()
    .regex(
        new RegExp(
            `^(?:mailto:[A-Za-z0-9._+-]+@|https://)${HOST_LABEL}(?:\\.${HOST_LABEL})+(?:/[A-Za-z0-9._~/?=&%#+-]*)?$`,
        ),
        "must be a mailto: or https: URL such as mailto:abuse@example.org",
    );

/** `10.0.0.0/8`, of either family. */
export const cidr = checked(rangeProblem);

/** An address that the Internet has a way to: what others can be sent to. */
export const publicAddress = (family: 4 | 6) => checked((text) => publicAddressProblem(text, family));

/** Of TCP. */
export const port = z.int().min(1).max(65535);

/** How much of a Docker host one container may take. Docker refuses less memory than 6 MiB; our programs need more. */
export const containerLimits = z.strictObject({
    memoryMiB: z.int().min(128).optional(),
    cpus: z.number().min(0.1).optional(),
    pids: z.int().min(32).optional(),
});

/** A server's certificate and its intermediates. */
export const certificate = z
    .string()
    .regex(/^-----BEGIN CERTIFICATE-----\r?\n/, "must be a certificate chain in PEM, leaf first");

/** Of Cloudflare. */
export const accountId = z.string().regex(/^[0-9a-f]{32}$/, "must be the 32 hex digits of a Cloudflare account id");

/** A text for which `problem` has nothing to say. */
export function checked(problem: (text: string) => string | undefined): z.ZodString {
    return z.string().refine((text) => problem(text) === undefined, { error: ({ input }) => problem(String(input)) });
}
