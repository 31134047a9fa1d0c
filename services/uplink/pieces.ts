/** What is there of a blob that arrives in ranges, in any order. */
import type { Progress } from "./spool";

/** One range request's worth. */
export interface Piece {
    readonly start: number;
    /** Exclusive. */
    end: number;
    /** Bytes present, from `start`. */
    have: number;
    /** A worker is fetching it. */
    taken: boolean;
}

export class Pieces {
    private list: Piece[];

    /** @param size Of the blob; unknown until the first answer, which is asked for one piece. */
    constructor(
        private size: number | undefined,
        private readonly pieceBytes: number,
        have: readonly number[] = [],
    ) {
        this.list = size === undefined ? [newPiece(0, pieceBytes)] : layOut(size, pieceBytes, have);
    }

    /** The size has become known. The piece that is being fetched stays the same object. */
    setSize(size: number): void {
        const [first] = this.list;
        this.size = size;
        this.list = layOut(
            size,
            this.pieceBytes,
            this.list.map(({ have }) => have),
        );
        if (!first) return;
        first.end = Math.min(first.end, size);
        first.have = Math.min(first.have, first.end);
        this.list.splice(0, 1, ...(size > 0 ? [first] : []));
    }

    /** There are at least `size` bytes; how many is still unknown. */
    extendTo(size: number): void {
        if (this.size !== undefined) return;
        for (let { length } = this.list; length * this.pieceBytes < size; length++) {
            this.list.push({ ...newPiece(length * this.pieceBytes, (length + 1) * this.pieceBytes), taken: true });
        }
    }

    get count(): number {
        return this.list.length;
    }

    /** Bytes present. */
    get bytes(): number {
        return this.list.reduce((sum, { have }) => sum + have, 0);
    }

    /** The first piece that is neither there nor being fetched; it is taken from now on. */
    take(): Piece | undefined {
        const piece = this.list.find((each) => !each.taken && !isFull(each));
        if (piece) piece.taken = true;
        return piece;
    }

    /** Where the piece ends that `position` is in. */
    endOfPieceAt(position: number): number {
        return (Math.floor(position / this.pieceBytes) + 1) * this.pieceBytes;
    }

    /** Takes the piece that `position` is in, if nobody has. Returns what gives it back. */
    claim(position: number): () => void {
        const piece = this.list[Math.floor(position / this.pieceBytes)];
        if (!piece || piece.taken) return () => undefined;
        piece.taken = true;
        return () => {
            piece.taken = false;
        };
    }

    /** True when all of `piece` is there, which nobody knows before the size is. */
    full(piece: Piece): boolean {
        return this.size !== undefined && isFull(piece);
    }

    /** How many bytes are there without a gap, from the first. */
    contiguous(): number {
        const gap = this.list.find((piece) => !isFull(piece));
        return gap ? gap.start + gap.have : (this.size ?? this.list.length * this.pieceBytes);
    }

    /**
     * The parts of `length` bytes at `at` that are new: an answer with the whole blob repeats what ranges brought.
     * Each is counted by {@link arrived} once it is on disk.
     */
    *missing(at: number, length: number): Generator<{ piece: Piece; from: number; to: number }> {
        const end = at + length;
        for (let index = Math.floor(at / this.pieceBytes); index < this.list.length; index++) {
            const piece = this.list[index];
            if (!piece || piece.start >= end) return;
            const from = piece.start + piece.have;
            const to = Math.min(end, piece.end);
            if (from >= at && from < to) yield { piece, from, to };
        }
    }

    arrived(piece: Piece, bytes: number): void {
        piece.have += bytes;
    }

    /** What {@link Spool.saveProgress} writes down; nothing before the size is known. */
    progress(): Progress | undefined {
        const { size, pieceBytes } = this;
        return size === undefined ? undefined : { size, pieceBytes, have: this.list.map(({ have }) => have) };
    }
}

function isFull({ start, end, have }: Piece): boolean {
    return have >= end - start;
}

function newPiece(start: number, end: number, have = 0): Piece {
    return { start, end, have: Math.min(have, end - start), taken: false };
}

function layOut(size: number, pieceBytes: number, have: readonly number[]): Piece[] {
    return Array.from({ length: Math.ceil(size / pieceBytes) }, (_, index) =>
        newPiece(index * pieceBytes, Math.min((index + 1) * pieceBytes, size), have[index]),
    );
}
