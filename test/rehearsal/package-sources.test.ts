/**
 * The mirror that a machine's own apt uses, found in whatever form its sources have, and the proxy that it goes through.
 * mmdebstrap itself reads what comes out, from a mirror that is a list (mirror+file:), as cloud images of Debian have it.
 */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ownSuite } from "../../rehearsal/debian";
import { aptProxies, debianSources, type SourceFile, sourceFiles } from "../../rehearsal/package-sources";
import { attempt } from "../../rehearsal/run";
import { Double, Programs } from "../support/world";

const KEY = "/usr/share/keyrings/debian-archive-keyring.gpg";

function list(...lines: string[]): SourceFile {
    return { name: "/etc/apt/sources.list", text: `${lines.join("\n")}\n` };
}

function deb822(...lines: string[]): SourceFile {
    return { name: "/etc/apt/sources.list.d/debian.sources", text: `${lines.join("\n")}\n` };
}

/** `uris suites` of each source that comes out. */
function places(text: string): string[] {
    const field = (paragraph: string, name: string) => new RegExp(`^${name}: (.*)$`, "im").exec(paragraph)?.[1];
    return text
        .trim()
        .split("\n\n")
        .map((paragraph) => `${field(paragraph, "uris")} ${field(paragraph, "suites")}`);
}

describe("debianSources", () => {
    const forms: Record<string, [files: SourceFile[], places: string[]]> = {
        "deb822, as new machines have it": [
            [
                deb822(
                    "# Modernized from /etc/apt/sources.list",
                    "Types: deb deb-src",
                    "URIs: https://mirrors.example/debian/",
                    "Suites: bookworm bookworm-updates bookworm-backports",
                    "Components: main contrib non-free-firmware",
                    `Signed-By: ${KEY}`,
                    "",
                    "Types: deb",
                    "URIs: https://mirrors.example/debian-security/",
                    "Suites: bookworm-security",
                    "Components: main",
                    `Signed-By: ${KEY}`,
                ),
            ],
            [
                "https://mirrors.example/debian/ trixie trixie-updates",
                "https://mirrors.example/debian-security/ trixie-security",
            ],
        ],
        lines: [
            [
                list(
                    "deb http://mirrors.example/debian bookworm main contrib",
                    "deb-src http://mirrors.example/debian bookworm main",
                    "  deb\thttp://mirrors.example/debian  bookworm-updates   main # corrections",
                    "deb http://mirrors.example/debian-security bookworm-security main",
                ),
            ],
            [
                "http://mirrors.example/debian trixie",
                "http://mirrors.example/debian trixie-updates",
                "http://mirrors.example/debian-security trixie-security",
            ],
        ],
        "options before the address": [
            [list(`deb [ arch=amd64 signed-by=${KEY} ] https://mirrors.example/debian bookworm main`)],
            ["https://mirrors.example/debian trixie"],
        ],
        "lines that are commented out, and what an installation medium left": [
            [
                list(
                    "# deb http://old.example/debian bookworm main",
                    "#deb http://old.example/debian bookworm main",
                    "deb cdrom:[Debian GNU/Linux 12.5.0 _Bookworm_ - Official amd64 DVD]/ bookworm main",
                    "deb [trusted=yes] file:/mnt/dvd bookworm main",
                    "deb http://mirrors.example/debian bookworm main",
                ),
            ],
            ["http://mirrors.example/debian trixie"],
        ],
        "a medium among the addresses of deb822": [
            [
                deb822(
                    "Types: deb",
                    "URIs: cdrom:[Debian GNU/Linux 12.5.0 _Bookworm_]/ https://mirrors.example/debian",
                    "Suites: bookworm",
                    "Components: main",
                ),
            ],
            ["https://mirrors.example/debian trixie"],
        ],
        "a paragraph that is switched off": [
            [
                deb822(
                    "Enabled: no",
                    "Types: deb",
                    "URIs: http://old.example/debian",
                    "Suites: bookworm",
                    "Components: main",
                ),
                {
                    name: "/etc/apt/sources.list.d/mirror.list",
                    text: "deb http://mirrors.example/debian bookworm main",
                },
            ],
            ["http://mirrors.example/debian trixie"],
        ],
        "fields on lines of their own, names in any case, comments between": [
            [
                deb822(
                    "types: deb",
                    "uris:",
                    " http://a.example/debian",
                    "# the second",
                    " http://b.example/debian",
                    "SUITES:",
                    " bookworm",
                    "\tbookworm-updates",
                    "Components:",
                    "  main",
                ),
            ],
            ["http://a.example/debian http://b.example/debian trixie trixie-updates"],
        ],
        "a list of mirrors, as cloud images have it": [
            [
                deb822(
                    "Types: deb",
                    "URIs: mirror+file:///etc/apt/mirrors/debian.list",
                    "Suites: bookworm bookworm-updates",
                    "Components: main",
                ),
            ],
            ["mirror+file:///etc/apt/mirrors/debian.list trixie trixie-updates"],
        ],
        "names that move": [
            [
                list(
                    "deb http://mirrors.example/debian stable main",
                    "deb http://mirrors.example/debian stable-updates main",
                ),
            ],
            ["http://mirrors.example/debian trixie", "http://mirrors.example/debian trixie-updates"],
        ],
        "a snapshot": [
            [list("deb [check-valid-until=no] http://snapshot.example/archive/debian/20260101T000000Z/ bookworm main")],
            ["http://snapshot.example/archive/debian/20260101T000000Z/ trixie"],
        ],
        "other vendors beside it": [
            [
                list("deb http://mirrors.example/debian bookworm main"),
                {
                    name: "/etc/apt/sources.list.d/others.list",
                    text: [
                        "deb [signed-by=/etc/apt/keyrings/docker.asc] https://docker.example/linux/debian bookworm stable",
                        "deb [signed-by=/usr/share/keyrings/node.gpg] https://node.example/node_22.x nodistro main",
                        "deb [signed-by=/usr/share/keyrings/lab.gpg] https://lab.example/debian/ bookworm main",
                        "deb https://php.example/php bookworm main",
                        "deb http://db.example/apt bookworm-db main",
                        "deb http://flat.example/ ./",
                        "deb http://x.example/debian bookwormish main",
                    ].join("\n"),
                },
            ],
            ["http://mirrors.example/debian trixie"],
        ],
        "a company's own mirror with its own key, and no other": [
            [list("deb [signed-by=/etc/apt/keyrings/acme.gpg] https://packages.acme.example/mirror bookworm main")],
            ["https://packages.acme.example/mirror trixie"],
        ],
    };
    for (const [what, [files, wanted]] of Object.entries(forms)) {
        it(`finds the mirror in ${what}`, () => {
            assert.deepEqual(places(debianSources(files, "bookworm", "trixie")), wanted);
        });
    }

    it("keeps what else a source needs, in the words of deb822", () => {
        const line = `deb [arch=amd64,arm64 lang+=de signed-by="${KEY}" trusted=yes by-hash=no] http://m.example/debian bookworm main`;
        assert.deepEqual(
            debianSources([list(line)], "bookworm", "bookworm")
                .trim()
                .split("\n")
                .sort(),
            [
                "Architectures: amd64 arm64",
                "By-hash: no",
                "Components: main",
                "Languages-add: de",
                `Signed-by: ${KEY}`,
                "Suites: bookworm",
                "Trusted: yes",
                "Types: deb",
                "Uris: http://m.example/debian",
            ],
        );
    });

    it("keeps a key that stands in the source", () => {
        const key = "\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n mDMEY865UxYJ\n -----END PGP PUBLIC KEY BLOCK-----";
        const source = deb822(
            "Types: deb",
            "URIs: http://m.example/debian",
            "Suites: bookworm",
            "Components: main",
            `Signed-By:${key}`,
        );
        assert.ok(debianSources([source], "bookworm", "trixie").includes(key));
    });

    it("goes from the newer release to the older one too", () => {
        const files = [list("deb http://mirrors.example/debian trixie main")];
        assert.deepEqual(places(debianSources(files, "trixie", "bookworm")), [
            "http://mirrors.example/debian bookworm",
        ]);
    });

    const without: Record<string, SourceFile[]> = {
        "no file": [],
        "only a medium": [list("deb cdrom:[Debian GNU/Linux 12.5.0 _Bookworm_]/ bookworm main")],
        "only another release": [list("deb http://mirrors.example/debian bullseye main")],
        "only sources of programs' sources": [list("deb-src http://mirrors.example/debian bookworm main")],
        "no component main": [list("deb http://mirrors.example/debian bookworm contrib")],
    };
    for (const [what, files] of Object.entries(without)) {
        it(`names what it has looked into where there is ${what}`, () => {
            const looked =
                files.length > 0 ? /bookworm.*looked into \/etc\/apt\/sources\.list/ : /looked into \/etc\/apt\./;
            assert.throws(() => debianSources(files, "bookworm", "trixie"), looked);
        });
    }
});

describe("Package sources of a machine", function () {
    this.timeout(120_000);
    let folder: string;
    beforeEach(() => {
        folder = mkdtempSync(join(tmpdir(), "package-sources-"));
    });
    afterEach(() => rmSync(folder, { recursive: true }));

    it("are the files that apt reads", () => {
        mkdirSync(join(folder, "sources.list.d"));
        const names = ["b.list", "a.sources", "c.list.disabled-by-upgrade", "d.list~", "e.save", "f g.list"];
        for (const name of names) writeFileSync(join(folder, "sources.list.d", name), name);
        writeFileSync(join(folder, "sources.list"), "main");
        const files = sourceFiles(folder);
        assert.deepEqual(
            files.map(({ text }) => text),
            ["main", "a.sources", "b.list"],
        );
        assert.deepEqual(sourceFiles(join(folder, "nowhere")), []);
    });

    it("are taken by mmdebstrap, a list of mirrors and the proxy's variables too", async () => {
        const proxy = await Double.start(() => undefined);
        writeFileSync(join(folder, "debian.list"), "http://mirrors.example/debian\n");
        const source = deb822(
            "Types: deb",
            `URIs: mirror+file:${join(folder, "debian.list")}`,
            `Suites: ${ownSuite()}`,
            "Components: main",
        );
        const sources = join(folder, "used.sources");
        writeFileSync(sources, debianSources([source], ownSuite(), ownSuite()));
        const env = { ...process.env, http_proxy: proxy.url };
        // apt reads the list as a user of its own, who may not enter the folder of a test.
        const args = [
            "--variant=extract",
            '--aptopt=APT::Sandbox::User "root"',
            ownSuite(),
            join(folder, "root.tar"),
            sources,
        ];
        const { code } = await attempt("mmdebstrap", args, { env }).finally(() => proxy.stop());
        assert.notEqual(code, 0);
        const asked = proxy.asked.map(({ path }) => path);
        assert.ok(
            asked.some((path) => path.startsWith(`http://mirrors.example/debian/dists/${ownSuite()}/`)),
            asked.join("\n"),
        );
        assert.match(readFileSync(sources, "utf8"), /^Uris: mirror\+file:/m);
    });
});

describe("aptProxies", () => {
    const said: Record<string, [said: string, env: NodeJS.ProcessEnv]> = {
        none: ["", {}],
        "one for each scheme": [
            "Acquire::http::Proxy http://proxy.acme.example:3128\nAcquire::https::Proxy http://s.acme.example:3128/",
            { http_proxy: "http://proxy.acme.example:3128", https_proxy: "http://s.acme.example:3128/" },
        ],
        "none for one scheme": [
            "Acquire::http::Proxy http://proxy.acme.example:3128\nAcquire::https::Proxy DIRECT",
            { http_proxy: "http://proxy.acme.example:3128" },
        ],
        "one for a host alone, which is no variable": ["Acquire::http::Proxy::deb.example http://x.example:1", {}],
    };
    for (const [what, [text, env]] of Object.entries(said)) {
        it(`are the variables for what apt's configuration names: ${what}`, async () => {
            const programs = new Programs({ "apt-config": `cat <<'END'\n${text}\nEND` });
            assert.deepEqual(await aptProxies(programs.env).finally(() => programs.remove()), env);
        });
    }

    it("are none where there is no apt", async () => {
        assert.deepEqual(await aptProxies({ PATH: "/nowhere" }), {});
    });

    it("are read from apt's real configuration", async () => {
        const folder = mkdtempSync(join(tmpdir(), "apt-conf-"));
        const file = join(folder, "apt.conf");
        writeFileSync(file, 'Acquire { http { Proxy "http://127.0.0.1:3142"; }; };\n');
        const proxies = await aptProxies({ ...process.env, APT_CONFIG: file });
        rmSync(folder, { recursive: true });
        assert.equal(proxies.http_proxy, "http://127.0.0.1:3142");
    });
});
