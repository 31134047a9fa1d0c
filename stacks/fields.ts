/** Fields that several settings have. */
import { z } from "zod";
import { rangeProblem } from "./addresses";

const HOST_LABEL = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?";

/** A name of at least two labels. */
export const hostname = z
    .string()
    .regex(
        new RegExp(`^${HOST_LABEL}(?:\\.${HOST_LABEL})+$`),
        "must be a host name in lower case such as hub.example.com",
    );

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
export const cidr = z.string().refine((text) => rangeProblem(text) === undefined, {
    error: ({ input }) => rangeProblem(String(input)),
});

/** Of TCP. */
export const port = z.int().min(1).max(65535);

/** A server's certificate and its intermediates. */
export const certificate = z
    .string()
    .regex(/^-----BEGIN CERTIFICATE-----\r?\n/, "must be a certificate chain in PEM, leaf first");

/** Of Cloudflare. */
export const accountId = z.string().regex(/^[0-9a-f]{32}$/, "must be the 32 hex digits of a Cloudflare account id");
