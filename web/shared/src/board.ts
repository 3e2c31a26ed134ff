/** What a client holds of one board channel, and how frames change it. */
import type { Delta, Snap, Who, WireRow, WireWindow } from "./frames.ts";

export interface Row {
  readonly rank: number;
  readonly place: number;
  readonly id: string;
  readonly score: number;
  /** Empty for a member without a name to show. */
  readonly name: string;
  /** The rank when the program's day began. */
  readonly from: number | null;
}

export interface Board {
  readonly epoch: string;
  readonly off: number;
  readonly asOf: number;
  readonly n: number;
  readonly total: number;
  readonly win: WireWindow;
  readonly rows: readonly Row[];
}

function row([rank, id, score, place]: WireRow, who: Who, known: Row | undefined): Row {
  const entry = who[id];
  return {
    rank,
    place,
    id,
    score,
    name: entry ? entry[0] : (known?.name ?? ""),
    from: entry ? entry[1] : (known?.from ?? null),
  };
}

export function fromSnap(snap: Snap): Board {
  return {
    epoch: snap.epoch,
    off: snap.off,
    asOf: snap.as_of,
    n: snap.n,
    total: snap.total,
    win: snap.win,
    rows: snap.rows.map((wire) => row(wire, snap.who, undefined)),
  };
}

/** The board after `delta`; the caller made sure that `delta.off` is `board.off + 1`. */
export function applyDelta(board: Board, delta: Delta): Board {
  const rows = new Map(board.rows.map((known) => [known.id, known]));
  for (const id of delta.out) rows.delete(id);
  for (const wire of delta.set) rows.set(wire[1], row(wire, delta.who, rows.get(wire[1])));
  for (const [id, [name, from]] of Object.entries(delta.who)) {
    const known = rows.get(id);
    if (known) rows.set(id, { ...known, name, from });
  }
  return {
    ...board,
    off: delta.off,
    asOf: delta.as_of,
    total: delta.total,
    rows: [...rows.values()].sort((a, b) => a.rank - b.rank).slice(0, board.n),
  };
}

export type Verdict = "taken" | "dropped" | "gap";

/** Rule 1 of the client: older states of the same epoch are dropped. */
export function takesSnap(held: Board | undefined, snap: Snap): boolean {
  return !held || held.epoch !== snap.epoch || snap.off >= held.off;
}

/** Rule 2 of the client. */
export function judgeDelta(held: Board | undefined, delta: Delta): Verdict {
  if (!held) return "gap";
  if (delta.off <= held.off) return "dropped";
  return delta.off === held.off + 1 ? "taken" : "gap";
}
