/** The frames of /live, as docs/live.md and docs/live-frames.schema.json define them. */

/** rank, row id, score, place */
export type WireRow = [rank: number, id: string, score: number, place: number];
/** row id → name (may be empty), rank when the program's day began */
export type Who = Record<string, [name: string, from: number | null]>;

export interface WireWindow {
  id: string;
  starts: number | null;
  ends: number | null;
}

export interface Snap {
  epoch: string;
  off: number;
  as_of: number;
  n: number;
  total: number;
  win: WireWindow;
  rows: WireRow[];
  who: Who;
}

export interface Delta {
  off: number;
  as_of: number;
  total: number;
  set: WireRow[];
  out: string[];
  who: Who;
}

export interface Balance {
  currency: string;
  available: number;
  pending: number;
  held: number;
  debt: number;
}

export interface Standing {
  win: string;
  id: string;
  rank: number;
  place: number;
  score: number;
  total: number;
  next: { place: number; points: number } | null;
}

export interface Me {
  as_of: number;
  /** How boards show the member. */
  name: string;
  /** Whether the member agreed to be shown by name. */
  shown: boolean;
  bal: Balance[];
  boards: Record<string, Standing>;
}

export interface WireError {
  code: number;
  msg: string;
  retry: boolean;
}

export interface Around {
  ch: string;
  as_of: number;
  win: string;
  total: number;
  me: string | null;
  rows: WireRow[];
  who: Who;
}

export interface Subscription {
  ch: string;
  n?: number;
  epoch?: string;
  off?: number;
}

export type Subscribed = { ch: string; recovered: boolean } | { ch: string; err: WireError };

export interface ConnectAnswer {
  sid: string;
  ping: number;
  now: number;
  ticket?: string;
  exp?: number;
  subs: Subscribed[];
}

/** Every object a server may send; a reader looks at the members that are there. */
export interface ServerFrame {
  id?: number;
  ch?: string;
  connect?: ConnectAnswer;
  sub?: { ch: string; recovered: boolean };
  unsub?: { ch: string };
  around?: Around;
  refresh?: { ticket: string; exp: number };
  err?: WireError;
  snap?: Snap;
  d?: Delta;
  hb?: { off?: number; as_of: number; n?: number };
  end?: { win: string; next: string };
  me?: Me;
  bye?: { code: number; after?: number };
}

/** Every object a client may send. */
export interface ClientFrame {
  id?: number;
  connect?: {
    v: 1;
    key?: string;
    token?: string;
    resume?: string;
    subs: Subscription[];
  };
  sub?: Subscription;
  unsub?: { ch: string };
  around?: { ch: string; k?: number };
  refresh?: { token: string };
}

/** The objects of one message: one, or several joined by a newline. Throws on what is not JSON. */
export function parseMessage(text: string): ServerFrame[] {
  return text.split("\n").map((line) => JSON.parse(line) as ServerFrame);
}
