/** A board as docs/live.md describes it, kept the simplest way: a list, sorted after every change. */
import type { Delta, Snap, Standing, Who, WireRow, WireWindow } from "../src/frames.ts";

export interface Entry {
  id: string;
  name: string;
  score: number;
  reached: number;
  from: number | null;
}

const ringSize = 64;
const ringAge = 30_000;

/** What is published of a board at one rounded n. */
interface Stream {
  off: number;
  rows: WireRow[];
  who: Who;
  total: number;
  ring: { delta: Delta; at: number }[];
}

export class ModelBoard {
  readonly entries = new Map<string, Entry>();
  readonly #streams = new Map<number, Stream>();
  /** Every position this epoch had, for the tests to compare with. */
  win: WireWindow = { id: "all", starts: null, ends: null };
  asOf = 0;

  constructor(
    readonly epoch: string,
    readonly now: () => number,
  ) {}

  score(id: string, score: number, seq: number, name = id.toUpperCase()): void {
    const known = this.entries.get(id);
    this.asOf = seq;
    if (known && known.score === score) return;
    this.entries.set(id, { id, name, from: null, ...known, score, reached: seq });
  }

  remove(id: string, seq: number): void {
    this.asOf = seq;
    this.entries.delete(id);
  }

  /** Every row in order: highest score first, then who reached it first. */
  all(): WireRow[] {
    const sorted = [...this.entries.values()].sort(
      (a, b) => b.score - a.score || a.reached - b.reached,
    );
    const rows: WireRow[] = [];
    for (const [index, entry] of sorted.entries()) {
      const above = rows[index - 1];
      const place = above && above[2] === entry.score ? above[3] : index + 1;
      rows.push([index + 1, entry.id, entry.score, place]);
    }
    return rows;
  }

  who(rows: WireRow[]): Who {
    return Object.fromEntries(
      rows.map(([, id]) => [id, [this.entries.get(id)!.name, this.entries.get(id)!.from]]),
    );
  }

  #stream(n: number): Stream {
    let stream = this.#streams.get(n);
    if (!stream) {
      const rows = this.all().slice(0, n);
      stream = { off: 1, rows, who: this.who(rows), total: this.entries.size, ring: [] };
      this.#streams.set(n, stream);
    }
    return stream;
  }

  off(n: number): number {
    return this.#stream(n).off;
  }

  snap(n: number): Snap {
    const { off, rows, who, total } = this.#stream(n);
    return { epoch: this.epoch, off, as_of: this.asOf, n, total, win: this.win, rows, who };
  }

  /** The new delta of every stream that changed since it was last published. */
  publish(): Map<number, Delta> {
    const deltas = new Map<number, Delta>();
    for (const [n, stream] of this.#streams) {
      const rows = this.all().slice(0, n);
      const who = this.who(rows);
      const delta = this.#difference(stream, rows, who);
      const isSame = delta.set.length + delta.out.length + Object.keys(delta.who).length === 0;
      if (isSame && stream.total === this.entries.size) continue;
      Object.assign(stream, { off: delta.off, rows, who, total: this.entries.size });
      stream.ring.push({ delta, at: this.now() });
      if (stream.ring.length > ringSize) stream.ring.shift();
      deltas.set(n, delta);
    }
    return deltas;
  }

  /** Turns the window over: everything goes, and every stream is one snap further. */
  turnOver(win: WireWindow, seq: number): void {
    this.win = win;
    this.asOf = seq;
    this.entries.clear();
    for (const stream of this.#streams.values()) {
      Object.assign(stream, { off: stream.off + 1, rows: [], who: {}, total: 0, ring: [] });
    }
  }

  #difference(stream: Stream, rows: WireRow[], who: Who): Delta {
    const before = new Map(stream.rows.map((row) => [row[1], row.join()]));
    const after = new Set(rows.map((row) => row[1]));
    const changedWho = Object.entries(who).filter(
      ([id, entry]) => JSON.stringify(stream.who[id]) !== JSON.stringify(entry),
    );
    return {
      off: stream.off + 1,
      as_of: this.asOf,
      total: this.entries.size,
      set: rows.filter((row) => before.get(row[1]) !== row.join()),
      out: [...before.keys()].filter((id) => !after.has(id)),
      who: Object.fromEntries(changedWho),
    };
  }

  /** The deltas from `off` to now, if all of them are still here and smaller than a snap. */
  missed(n: number, epoch: string | undefined, off: number | undefined): Delta[] | undefined {
    const stream = this.#stream(n);
    if (epoch !== this.epoch || off === undefined || off > stream.off) return undefined;
    const oldest = this.now() - ringAge;
    const missed = stream.ring.filter((item) => item.delta.off > off && item.at >= oldest);
    if (missed.length !== stream.off - off) return undefined;
    const deltas = missed.map((item) => item.delta);
    const isSmaller = JSON.stringify(deltas).length < JSON.stringify(this.snap(n)).length;
    return deltas.length === 0 || isSmaller ? deltas : undefined;
  }

  standing(id: string): Standing | undefined {
    const rows = this.all();
    const mine = rows.find((row) => row[1] === id);
    if (!mine) return undefined;
    const better = rows.filter((row) => row[2] > mine[2]).at(-1);
    const next = better ? { place: better[3], points: better[2] - mine[2] } : null;
    const [rank, , score, place] = mine;
    return { win: this.win.id, id, rank, place, score, total: rows.length, next };
  }
}
