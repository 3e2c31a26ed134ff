/**
 * A server of /live for tests, written from docs/live.md and nothing else: no storage, no limits of
 * time but the protocol's own. Transport and clock are given, so that it runs in a simulation as
 * well as behind a real socket.
 */
import { Close, ErrorCode } from "../src/codes.ts";
import type { Balance, ClientFrame, ServerFrame, Subscribed, Subscription } from "../src/frames.ts";
import { ModelBoard } from "./board.ts";

export interface Clock {
  now(): number;
  later(milliseconds: number, action: () => void): unknown;
  cancel(timer: unknown): void;
}

export interface Wire {
  send(text: string): void;
  close(code: number): void;
}

export interface ModelOptions {
  clock: Clock;
  /** Tells one incarnation of the server from the next. */
  epoch: string;
  keys?: string[];
  /** token → row id of the member, the same on every board here */
  members?: { get(token: string): string | undefined };
  /** how long a token is good, in milliseconds */
  tokenLife?: number;
}

const roundedN = [10, 25, 50, 100];
const heartbeatEvery = 10_000;
const pingEvery = 25_000;

export class ModelServer {
  readonly boards = new Map<string, ModelBoard>();
  readonly sessions = new Set<ModelSession>();
  readonly balances = new Map<string, Balance[]>();
  /** With a good token, but without an order yet: no members. */
  readonly strangers = new Set<string>();
  seq = 1;
  /** Every snap and recovery that was answered, for tests to count. */
  counts = { snaps: 0, recoveries: 0, connects: 0, refused: 0 };

  constructor(readonly options: ModelOptions) {}

  board(channel: string): ModelBoard {
    let board = this.boards.get(channel);
    if (!board) {
      board = new ModelBoard(this.options.epoch, () => this.options.clock.now());
      this.boards.set(channel, board);
    }
    return board;
  }

  accept(wire: Wire): ModelSession {
    const session = new ModelSession(this, wire);
    this.sessions.add(session);
    return session;
  }

  /** Changes a score and tells everybody. */
  post(channel: string, id: string, score: number, name?: string): number {
    this.board(channel).score(id, score, ++this.seq, name);
    this.publish(channel);
    return this.seq;
  }

  publish(channel: string): void {
    for (const [n, delta] of this.board(channel).publish()) {
      for (const session of this.sessions) session.publish(channel, n, delta);
    }
    for (const session of this.sessions) session.sendMe();
  }

  turnOver(channel: string, next: ModelBoard["win"]): void {
    const board = this.board(channel);
    const end = { win: board.win.id, next: next.id };
    board.turnOver(next, ++this.seq);
    for (const session of this.sessions) session.turnOver(channel, end);
  }

  /** Every connection ends with this code. */
  drop(code: number, after?: number): void {
    for (const session of [...this.sessions]) session.close(code, after);
  }
}

interface Joined {
  n: number;
  heartbeat: unknown;
}

export class ModelSession {
  readonly #joined = new Map<string, Joined>();
  #member: string | undefined;
  #meAsOf = 0;
  #isConnected = false;
  #isGone = false;
  #ping: unknown;
  #connectBy: unknown;

  constructor(
    readonly server: ModelServer,
    readonly wire: Wire,
  ) {
    this.#connectBy = this.#clock.later(5_000, () => this.close(Close.noConnect));
  }

  get #clock(): Clock {
    return this.server.options.clock;
  }

  get #tokenLife(): number {
    return this.server.options.tokenLife ?? 900_000;
  }

  receive(text: string): void {
    let frame: ClientFrame;
    try {
      frame = JSON.parse(text) as ClientFrame;
    } catch {
      return this.close(Close.badFrame);
    }
    if (Object.keys(frame).length === 0) return; // pong
    if (frame.id === undefined) return this.close(Close.badFrame);
    if (!this.#isConnected) return this.#connect(frame.id, frame.connect);
    this.#command(frame.id, frame);
  }

  /** The transport is gone, or `close` was called. */
  closed(): void {
    this.#isGone = true;
    this.server.sessions.delete(this);
    this.#clock.cancel(this.#ping);
    this.#clock.cancel(this.#connectBy);
    for (const { heartbeat } of this.#joined.values()) this.#clock.cancel(heartbeat);
  }

  close(code: number, after?: number): void {
    if (this.#isGone) return;
    this.#send({ bye: after === undefined ? { code } : { code, after } });
    this.closed();
    this.wire.close(code);
  }

  publish(channel: string, n: number, d: NonNullable<ServerFrame["d"]>): void {
    if (this.#joined.get(channel)?.n !== n) return;
    this.#send({ ch: channel, d });
    this.#heartbeat(channel);
  }

  turnOver(channel: string, end: NonNullable<ServerFrame["end"]>): void {
    const joined = this.#joined.get(channel);
    if (!joined) return;
    this.#send({ ch: channel, end });
    this.#sendSnap(channel, joined.n);
    this.sendMe();
  }

  sendMe(): void {
    if (!this.#joined.has("me") || this.#member === undefined) return;
    const boards = Object.fromEntries(
      [...this.#joined.keys()]
        .filter((channel) => channel !== "me")
        .map((channel) => [channel, this.server.board(channel).standing(this.#member!)])
        .filter(([, standing]) => standing !== undefined),
    );
    const bal = this.server.balances.get(this.#member) ?? [];
    this.#meAsOf = this.server.seq;
    this.#send({
      ch: "me",
      me: { as_of: this.#meAsOf, name: this.#name(), shown: true, bal, boards },
    });
    this.#heartbeat("me");
  }

  #name(): string {
    const boards = [...this.server.boards.values()];
    return boards.map((board) => board.entries.get(this.#member!)?.name).find(Boolean) ?? "";
  }

  #connect(id: number, connect: ClientFrame["connect"]): void {
    if (!connect) return this.close(Close.badFrame);
    const { keys, members } = this.server.options;
    if (connect.key && keys && !keys.includes(connect.key)) return this.close(Close.badToken);
    const token = connect.resume ?? connect.token;
    this.#member = token === undefined ? undefined : members?.get(token);
    if (token !== undefined && !this.#member) {
      return this.close(connect.resume ? Close.tokenExpired : Close.badToken);
    }
    this.#clock.cancel(this.#connectBy);
    this.#isConnected = true;
    this.server.counts.connects++;
    const states: (() => void)[] = [];
    const subs = connect.subs.map((subscription) => this.#subscribe(subscription, states));
    const now = this.#clock.now();
    const answer = { sid: "model", ping: pingEvery / 1000, now, subs };
    const credentials = token === undefined ? {} : { ticket: token, exp: now + this.#tokenLife };
    this.#send({ id, connect: { ...answer, ...credentials } });
    for (const state of states) state();
  }

  #command(id: number, frame: ClientFrame): void {
    if (frame.connect) return this.close(Close.badFrame);
    if (frame.sub) {
      const states: (() => void)[] = [];
      const answer = this.#subscribe(frame.sub, states);
      this.#send("err" in answer ? { id, err: answer.err } : { id, sub: answer });
      for (const state of states) state();
    } else if (frame.unsub) {
      this.#leave(frame.unsub.ch);
      this.#send({ id, unsub: { ch: frame.unsub.ch } });
    } else if (frame.around) {
      this.#around(id, frame.around.ch, frame.around.k ?? 3);
    } else if (frame.refresh) {
      const ticket = frame.refresh.token;
      if (this.server.options.members?.get(ticket) !== this.#member) {
        return this.close(Close.badToken);
      }
      this.#send({ id, refresh: { ticket, exp: this.#clock.now() + this.#tokenLife } });
    } else {
      this.#send({ id, err: { code: ErrorCode.unknownCommand, msg: "unknown", retry: false } });
    }
  }

  #subscribe(wanted: Subscription, states: (() => void)[]): Subscribed {
    const { ch } = wanted;
    const error = (code: number, msg: string, retry = false) => {
      this.server.counts.refused++;
      return { ch, err: { code, msg, retry } };
    };
    if (ch === "me") {
      if (this.server.strangers.has(this.#member ?? "")) {
        return error(ErrorCode.notAllowed, "not a member yet", true);
      }
      if (!this.#member) return error(ErrorCode.notAllowed, "needs a token");
      this.#join(ch, 0);
      states.push(() => this.sendMe());
      return { ch, recovered: false };
    }
    const board = this.server.boards.get(ch);
    if (!board) return error(ErrorCode.noSuchChannel, "no such board");
    const n = roundedN.find((rounded) => rounded >= (wanted.n ?? 10));
    if (n === undefined) return error(ErrorCode.badParameter, "n");
    this.#join(ch, n);
    const missed = board.missed(n, wanted.epoch, wanted.off);
    states.push(() => {
      if (missed) for (const d of missed) this.#send({ ch, d });
      else this.#sendSnap(ch, n);
      if (this.#joined.has("me")) this.sendMe();
    });
    this.server.counts[missed ? "recoveries" : "snaps"]++;
    return { ch, recovered: missed !== undefined };
  }

  #around(id: number, ch: string, k: number): void {
    const board = this.server.boards.get(ch);
    if (!this.#member || !board) {
      const code = board ? ErrorCode.notAllowed : ErrorCode.noSuchChannel;
      return this.#send({ id, err: { code, msg: "no", retry: false } });
    }
    const all = board.all();
    const at = all.findIndex((row) => row[1] === this.#member);
    const rows = at < 0 ? [] : all.slice(Math.max(0, at - k), at + k + 1);
    const me = at < 0 ? null : this.#member;
    const { asOf, win } = board;
    const around = { ch, as_of: asOf, win: win.id, total: all.length, me, rows };
    this.#send({ id, around: { ...around, who: board.who(rows) } });
  }

  #join(channel: string, n: number): void {
    this.#clock.cancel(this.#joined.get(channel)?.heartbeat);
    this.#joined.set(channel, { n, heartbeat: undefined });
    this.#heartbeat(channel);
  }

  #leave(channel: string): void {
    this.#clock.cancel(this.#joined.get(channel)?.heartbeat);
    this.#joined.delete(channel);
  }

  #sendSnap(ch: string, n: number): void {
    this.#send({ ch, snap: this.server.board(ch).snap(n) });
    this.#heartbeat(ch);
  }

  #heartbeat(ch: string): void {
    const joined = this.#joined.get(ch);
    if (!joined) return;
    this.#clock.cancel(joined.heartbeat);
    joined.heartbeat = this.#clock.later(heartbeatEvery, () => {
      const board = this.server.boards.get(ch);
      const n = this.server.sessions.size;
      const position = board && { off: board.off(joined.n), as_of: this.server.seq, n };
      this.#send({ ch, hb: position ?? { as_of: this.#meAsOf } });
      this.#heartbeat(ch);
    });
  }

  #send(frame: ServerFrame): void {
    if (this.#isGone) return;
    this.wire.send(JSON.stringify(frame));
    this.#clock.cancel(this.#ping);
    this.#ping = this.#clock.later(pingEvery, () => this.#send({}));
  }
}
