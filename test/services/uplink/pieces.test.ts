import assert from "node:assert/strict";
import { Pieces } from "../../../services/uplink/pieces";

/** Counts all of `length` bytes at `at` as arrived; returns what was new of them. */
function arrive(pieces: Pieces, at: number, length: number): [number, number][] {
    return [...pieces.missing(at, length)].map(({ piece, from, to }) => {
        pieces.arrived(piece, to - from);
        return [from, to];
    });
}

describe("Pieces", () => {
    it("are taken in order, each once, until all are there", () => {
        const pieces = new Pieces(25, 10);
        const taken = [pieces.take(), pieces.take(), pieces.take()];
        assert.deepEqual(
            taken.map((piece) => [piece?.start, piece?.end]),
            [
                [0, 10],
                [10, 20],
                [20, 25],
            ],
        );
        assert.equal(pieces.take(), undefined);
    });

    it("that are given back are taken again, where they are", () => {
        const pieces = new Pieces(25, 10);
        const first = pieces.take()!;
        arrive(pieces, 0, 4);
        first.taken = false;
        assert.equal(pieces.take(), first);
        assert.equal(first.have, 4);
    });

    it("count as released only without a gap before them", () => {
        const pieces = new Pieces(25, 10);
        arrive(pieces, 10, 10);
        assert.equal(pieces.contiguous(), 0);
        arrive(pieces, 0, 7);
        assert.equal(pieces.contiguous(), 7);
        arrive(pieces, 7, 3);
        assert.equal(pieces.contiguous(), 20);
        arrive(pieces, 20, 5);
        assert.equal(pieces.contiguous(), 25);
    });

    it("take from an answer with the whole blob what ranges have not brought", () => {
        const pieces = new Pieces(30, 10, [4, 10, 0]);
        assert.deepEqual(arrive(pieces, 0, 30), [
            [4, 10],
            [20, 30],
        ]);
        assert.equal(pieces.bytes, 30);
    });

    it("take nothing that would leave a hole", () => {
        assert.deepEqual(arrive(new Pieces(30, 10), 5, 5), []);
    });

    it("of unknown size are one, which stays the same when the size comes", () => {
        const pieces = new Pieces(undefined, 10);
        const first = pieces.take()!;
        assert.equal(pieces.full(first), false);
        assert.equal(pieces.progress(), undefined);
        pieces.setSize(25);
        assert.equal(pieces.count, 3);
        arrive(pieces, 0, 10);
        assert.equal(pieces.full(first), true);
        assert.deepEqual(pieces.progress(), { size: 25, pieceBytes: 10, have: [10, 0, 0] });
    });

    it("of a blob of 0 bytes are none", () => {
        const pieces = new Pieces(undefined, 10);
        const first = pieces.take()!;
        pieces.setSize(0);
        assert.equal(pieces.full(first), true);
        assert.equal(pieces.contiguous(), 0);
        assert.equal(pieces.take(), undefined);
    });

    it("do not believe a note that claims more than there can be", () => {
        assert.equal(new Pieces(25, 10, [99, 99, 99, 99]).bytes, 25);
    });
});
