import assert from "node:assert/strict";
import { nextLink, sizeByRange } from "../../../services/registry/answer-headers";

describe("A Link", () => {
    const NEXT = '</v2/a/b/tags/list?last=x&n=100>; rel="next"';
    const links: Record<string, string> = {
        '</v2/b/tags/list?last=x&n=100>; rel="next"': NEXT,
        "</v2/b/tags/list?last=x&n=100>; rel=next": NEXT,
        "</v2/b/tags/list?last=x&n=100>;rel=next": NEXT,
        '</v2/b/tags/list?last=x&n=100> ; REL = "Next"': NEXT,
        '<https://upstream.example.com/v2/b/tags/list?last=x&n=100>; rel="next"': NEXT,
        '<?last=x&n=100>; rel="next"': NEXT,
        '</v2/b/tags/list?last=x&n=100>; rel="next"; title="the next page"': NEXT,
        '</v2/b/tags/list?last=x&n=100>; title="a; rel=prev, <b>"; rel="next"': NEXT,
        '</v2/b/tags/list?last=x&n=100>; title="a \\"quoted\\" one"; rel=next': NEXT,
        '</v2/b/tags/list?last=x&n=100>; rel="last next"': NEXT,
        '</v2/b/tags/list?n=1>; rel="first", </v2/b/tags/list?last=x&n=100>; rel="next"': NEXT,
        '</v2/b/tags/list?last=x&n=100>; rel="next", </v2/b/tags/list?n=1>; rel="first"': NEXT,
        "</v2/b/tags/list?n=1>;rel=prev,</v2/b/tags/list?last=x&n=100>;rel=next": NEXT,
        '</v2/b/tags/list?last=x&n=100#top>; rel="next"': NEXT,
        '</v2/b/tags/list?last=x y&n=100>; rel="next"': '</v2/a/b/tags/list?last=x%20y&n=100>; rel="next"',
        '</v2/b/tags/list?n=100&next_page=gAAA_-%3D>; rel="next"':
            '</v2/a/b/tags/list?n=100&next_page=gAAA_-%3D>; rel="next"',
        // Nothing of such a page goes up: it would be the first one again.
        '</v2/b/tags/list?page=2>; rel="next"': "",
        '</v2/b/tags/list?n=100&last=>; rel="next"': "",
        '</v2/b/tags/list?last=x>; rel="prev"': "",
        '</v2/b/tags/list?last=x>; rel="nextish"': "",
        '</v2/b/tags/list?last=x>; title="rel=next"': "",
        "</v2/b/tags/list?last=x>": "",
        '</v2/b/tags/list>; rel="next"': "",
        'not a link; rel="next"': "",
        "": "",
    };
    for (const [link, own] of Object.entries(links)) {
        it(`${link} is ${own || "none"}`, () => assert.equal(nextLink(link, "/v2/a/b/tags/list"), own));
    }

    it("is read in no time when it is long and nearly right", () => {
        assert.equal(nextLink(`<?n=1>${"; a=".repeat(10_000)}"`, "/v2/a/tags/list"), "");
    });
});

describe("The size of a blob", () => {
    const said = (status: number) => ({ status, contentType: null, retryAfter: null });
    it("is behind its first byte", () => {
        assert.equal(sizeByRange(said(206), "bytes 0-0/1234", "identity"), "1234");
        assert.equal(sizeByRange(said(416), "bytes */0", null), "0");
        for (const [status, range] of [
            [206, "bytes 0-0/*"],
            [206, null],
            [416, "bytes */1234"],
            [200, "bytes 0-0/1234"],
            [206, "bytes 5-9/1234"],
        ] as const) {
            assert.equal(sizeByRange(said(status), range, null), "");
        }
        assert.equal(sizeByRange(said(206), "bytes 0-0/1234", "gzip"), "");
    });
});
