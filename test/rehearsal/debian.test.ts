/** Package sources of this machine as sources of another release. That packages come by them: every base image is made so. */
import assert from "node:assert/strict";
import { ownSuite, sourcesOf } from "../../rehearsal/debian";

describe("sourcesOf", () => {
    const DEB822 = [
        "Types: deb",
        "# the bookworm archive",
        "URIs: http://deb.example/bookworm/debian",
        "Suites: bookworm bookworm-updates",
        "Components: main",
        "Signed-By: /usr/share/keyrings/debian-archive-bookworm-stable.gpg",
        "",
        "Types: deb",
        "URIs: http://deb.example/debian-security",
        "Suites: bookworm-security",
        "Components: main",
    ].join("\n");

    it("changes the suites of deb822 and nothing else", () => {
        const lines = DEB822.split("\n");
        lines[3] = "Suites: trixie trixie-updates";
        lines[9] = "Suites: trixie-security";
        assert.equal(sourcesOf(DEB822, "bookworm", "trixie"), lines.join("\n"));
    });

    const lines: Record<string, [string, string]> = {
        "one-line form": [
            "deb http://deb.example/debian bookworm main contrib",
            "deb http://deb.example/debian trixie main contrib",
        ],
        "options before the address": [
            "deb [arch=amd64 signed-by=/k/bookworm.gpg] https://deb.example/ bookworm-security main",
            "deb [arch=amd64 signed-by=/k/bookworm.gpg] https://deb.example/ trixie-security main",
        ],
        "a moving name": ["deb http://deb.example/debian stable main", "deb http://deb.example/debian trixie main"],
        "suites on lines of their own": ["Suites:\n bookworm\n bookworm-updates", "Suites:\n trixie\n trixie-updates"],
        "a name that only begins like it": [
            "deb http://deb.example/debian bookworm main\ndeb http://deb.example/x bookwormish main",
            "deb http://deb.example/debian trixie main\ndeb http://deb.example/x bookwormish main",
        ],
    };
    for (const [what, [from, to]] of Object.entries(lines)) {
        it(`reads ${what}`, () => assert.equal(sourcesOf(from, "bookworm", "trixie"), to));
    }

    it("leaves sources of the same release as they are, whatever they are", () => {
        assert.equal(
            sourcesOf("deb http://deb.example/x sid main", "forky", "forky"),
            "deb http://deb.example/x sid main",
        );
    });

    it("goes from the newer release to the older one too", () => {
        assert.equal(sourcesOf("Suites: trixie", "trixie", "bookworm"), "Suites: bookworm");
    });

    it("says so when no source is of the machine's release", () => {
        assert.throws(() => sourcesOf("deb http://deb.example/x sid main", "bookworm", "trixie"), /no suite bookworm/);
    });
});

describe("ownSuite", () => {
    it("is what os-release calls it", () => {
        assert.equal(ownSuite('ID=debian\nVERSION_CODENAME=trixie\nVERSION_ID="13"\n'), "trixie");
        assert.equal(ownSuite('VERSION_CODENAME="bookworm"\n'), "bookworm");
    });

    it("is asked for by name where there is none", () => {
        assert.throws(() => ownSuite("ID=alpine\n"), /no VERSION_CODENAME/);
    });
});
