/** The mirror's certificate as the program made it up to 0.3.0, as a part of the front, and as it makes it now. */
import * as pulumi from "@pulumi/pulumi";
import { withTls } from "../../components/onprem/mirror-certificate";
import { PrivateCa } from "../../components/private-ca";

const HOSTNAME = "mirror.acme.lan";

class Former extends pulumi.ComponentResource {}

export function program(release: "0.3.0" | "now"): object {
    if (release === "now") return { mirrorCa: withTls({ hostname: HOSTNAME, tls: "privateCa" }).tls.ca };
    const site = new Former("dockermirror:onprem:OnpremSite", "onprem");
    const front = new Former("dockermirror:onprem:Front", "onprem-front", {}, { parent: site });
    return { mirrorCa: new PrivateCa("onprem-front-ca", { hostname: HOSTNAME }, { parent: front }).ca };
}
