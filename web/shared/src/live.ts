/** The client of /live: one connection, any number of channels. Follows docs/live.md to the letter. */
import { applyDelta, fromSnap, judgeDelta, takesSnap, type Board } from "./board.ts";
import { Close, ErrorCode, mayReconnect, retryDelay } from "./codes.ts";
import {
  parseMessage,
  type ClientFrame,
  type ConnectAnswer,
  type Me,
  type ServerFrame,
  type Subscribed,
  type Subscription,
  type WireError,
} from "./frames.ts";
import { browserIo, type Io, type Socket } from "./io.ts";

export type Phase = "connecting" | "live" | "reconnecting" | "offline" | "stopped";

export interface Status {
  readonly phase: Phase;
  /** The close code that stopped the connection. */
  readonly code?: number;
}

export interface LiveOptions {
  /** Base address of the server: https://points.example */
  server: string;
  /** The publishable key. */
  key?: string | undefined;
  /** A fresh shopper token, or nothing for a guest. Called for every connection without a ticket. */
  token?: (() => Promise<string | null | undefined>) | undefined;
  io?: Io;
}

export interface BoardEvents {
  board(board: Board): void;
  failed?(error: WireError): void;
}

export interface MeEvents {
  me(me: Me): void;
  failed?(error: WireError): void;
}

const answerTimeout = 10_000;
const deathAfter = 35_000;
const goodConnection = 30_000;
const hiddenFor = 60_000;
const asksBeforeReconnect = 3;
const failuresBeforeOffline = 3;

/** One joined channel: its listeners, what is held, and the question that is out, if any. */
class Channel {
  readonly listeners = new Map<object, { n: number; events: BoardEvents & MeEvents }>();
  board: Board | undefined;
  me: Me | undefined;
  error: WireError | undefined;
  asks = 0;
  askTimer: unknown;

  constructor(readonly name: string) {}

  get asking(): boolean {
    return this.asks > 0;
  }

  get n(): number {
    return Math.max(...[...this.listeners.values()].map((listener) => listener.n));
  }

  subscription(): Subscription {
    if (this.name === "me") return { ch: "me" };
    const subscription: Subscription = { ch: this.name, n: this.n };
    if (this.board && this.board.n >= this.n) {
      subscription.n = this.board.n;
      subscription.epoch = this.board.epoch;
      subscription.off = this.board.off;
    }
    return subscription;
  }

  tell(): void {
    for (const { events } of this.listeners.values()) {
      if (this.board) events.board?.(this.board);
      if (this.me) events.me?.(this.me);
      if (this.error) events.failed?.(this.error);
    }
  }
}

export class LiveClient {
  readonly #options: LiveOptions;
  readonly #io: Io;
  readonly #channels = new Map<string, Channel>();
  readonly #statusListeners = new Set<(status: Status) => void>();
  #status: Status = { phase: "connecting" };
  #socket: Socket | undefined;
  #isStarted = false;
  #joined = false;
  #attempt = 0;
  #generation = 0;
  #lastId = 0;
  #waiting = new Map<number, (frame: ServerFrame) => void>();
  #ticket: string | undefined;
  #isMember = false;
  #after: number | undefined;
  #lastHeard = 0;
  #connectedAt = 0;
  #timers = new Map<string, unknown>();

  constructor(options: LiveOptions) {
    this.#options = options;
    this.#io = options.io ?? browserIo;
    this.#io.watchPage({
      hidden: () => this.#timer("hidden", hiddenFor, () => this.#pause()),
      seen: () => {
        this.#clear("hidden");
        this.#comeBack();
      },
      online: () => this.#comeBack(),
      leaving: () => this.#pause(),
    });
  }

  get status(): Status {
    return this.#status;
  }

  /** Whether the server knows the shopper of this connection. */
  get isMember(): boolean {
    return this.#isMember;
  }

  onStatus(listener: (status: Status) => void): () => void {
    this.#statusListeners.add(listener);
    listener(this.#status);
    return () => this.#statusListeners.delete(listener);
  }

  /** Follows a board channel at the first `n` rows at least; returns what ends it. */
  watchBoard(channel: string, n: number, events: BoardEvents): () => void {
    return this.#watch(channel, n, events as BoardEvents & MeEvents);
  }

  watchMe(events: MeEvents): () => void {
    return this.#watch("me", 0, events as BoardEvents & MeEvents);
  }

  /** Tries again at once, also after the server said stop. */
  retry(): void {
    if (this.#status.phase === "live") return;
    this.#attempt = 0;
    this.#drop(Close.normal);
    void this.#connect();
  }

  #watch(name: string, n: number, events: BoardEvents & MeEvents): () => void {
    const channel = this.#channels.get(name) ?? new Channel(name);
    const isNew = !this.#channels.has(name);
    const listener = {};
    const hadEnough = !isNew && channel.n >= n;
    channel.listeners.set(listener, { n, events });
    this.#channels.set(name, channel);
    if (!this.#isStarted) this.#start();
    else if (this.#joined && !hadEnough) this.#ask(channel);
    if (channel.board) events.board?.(channel.board);
    if (channel.me) events.me?.(channel.me);
    return () => this.#leave(channel, listener);
  }

  /** Elements of one page arrive together; they share the first frame. */
  #start(): void {
    this.#isStarted = true;
    this.#io.later(0, () => {
      if (!this.#socket && this.#status.phase === "connecting") void this.#connect();
    });
  }

  #leave(channel: Channel, listener: object): void {
    channel.listeners.delete(listener);
    if (channel.listeners.size > 0) return;
    this.#settle(channel);
    this.#channels.delete(channel.name);
    if (this.#joined) this.#command({ unsub: { ch: channel.name } });
  }

  // --- the connection

  async #connect(): Promise<void> {
    const generation = ++this.#generation;
    this.#clear("retry");
    let token: string | null | undefined;
    if (!this.#ticket) {
      try {
        token = await this.#options.token?.();
      } catch {
        if (generation === this.#generation) this.#failed(Close.tokenExpired);
        return;
      }
      if (generation !== this.#generation) return;
    }
    this.#lastHeard = this.#io.now();
    this.#timer("death", deathAfter, () => this.#checkAlive());
    const events = {
      opened: () => generation === this.#generation && this.#introduce(token),
      received: (text: string) => generation === this.#generation && this.#receive(text),
      closed: (code: number) => generation === this.#generation && this.#failed(code),
    };
    this.#socket = this.#io.open(this.#address(), events);
  }

  #address(): string {
    return this.#options.server.replace(/^http/, "ws").replace(/\/$/, "") + "/live";
  }

  #introduce(token: string | null | undefined): void {
    const channels = [...this.#channels.values()];
    const connect: NonNullable<ClientFrame["connect"]> = {
      v: 1,
      subs: channels.map((channel) => channel.subscription()),
    };
    if (this.#options.key) connect.key = this.#options.key;
    if (this.#ticket) connect.resume = this.#ticket;
    else if (token) connect.token = token;
    for (const channel of channels) channel.asks = 1;
    this.#timer("answer", answerTimeout, () => this.#drop(Close.noConnect, true));
    this.#command({ connect }, (frame) => {
      if (frame.connect) this.#welcome(frame.connect, channels);
    });
  }

  #welcome(answer: ConnectAnswer, asked: Channel[]): void {
    this.#clear("answer");
    this.#joined = true;
    this.#connectedAt = this.#io.now();
    this.#isMember = answer.exp !== undefined;
    this.#keepTicket(answer.ticket, answer.exp, answer.now);
    this.#setStatus({ phase: "live" });
    for (const subscribed of answer.subs) this.#subscribed(subscribed);
    for (const channel of asked) if (channel.asking) this.#awaitAnswer(channel);
    for (const channel of this.#channels.values()) {
      if (!asked.includes(channel)) this.#ask(channel);
    }
  }

  #keepTicket(ticket: string | undefined, exp: number | undefined, now: number): void {
    this.#ticket = ticket;
    if (exp === undefined) return;
    this.#timer("refresh", Math.max(1_000, 0.8 * (exp - now)), () => this.#refresh());
  }

  async #refresh(): Promise<void> {
    const generation = this.#generation;
    const token = await this.#options.token?.().catch(() => undefined);
    if (!token || generation !== this.#generation || !this.#joined) return;
    const asked = Date.now();
    this.#command({ refresh: { token } }, ({ refresh }) => {
      if (refresh) this.#keepTicket(refresh.ticket, refresh.exp, asked);
    });
  }

  #checkAlive(): void {
    const silent = this.#io.now() - this.#lastHeard;
    if (silent >= deathAfter) this.#drop(Close.noPong, true);
    else this.#timer("death", deathAfter - silent, () => this.#checkAlive());
  }

  /** Ends the connection; with `again`, as if the server had. */
  #drop(code: number, again = false): void {
    const socket = this.#socket;
    this.#forgetConnection();
    socket?.close(Close.normal);
    if (again) this.#failed(code);
  }

  #forgetConnection(): void {
    this.#generation++;
    this.#socket = undefined;
    this.#joined = false;
    this.#waiting.clear();
    for (const name of ["death", "answer", "refresh", "retry"]) this.#clear(name);
    for (const channel of this.#channels.values()) this.#settle(channel);
  }

  #failed(code: number): void {
    if (this.#joined && this.#io.now() - this.#connectedAt >= goodConnection) this.#attempt = 0;
    this.#forgetConnection();
    if (code === Close.tokenExpired) this.#ticket = undefined;
    const after = this.#after;
    this.#after = undefined;
    // 4505 is meant for clients that do not introduce themselves; ours did, but was not heard.
    if (!mayReconnect(code) && code !== Close.noConnect)
      return this.#setStatus({ phase: "stopped", code });
    this.#attempt++;
    const isOffline = this.#io.isOffline() || this.#attempt > failuresBeforeOffline;
    this.#setStatus({ phase: isOffline ? "offline" : "reconnecting" });
    const delay = retryDelay(code, this.#attempt, after, () => this.#io.random());
    this.#timer("retry", delay, () => void this.#connect());
  }

  #pause(): void {
    if (this.#status.phase === "stopped") return;
    this.#drop(Close.normal);
    this.#setStatus({ phase: this.#io.isOffline() ? "offline" : "reconnecting" });
  }

  #comeBack(): void {
    const { phase } = this.#status;
    if (this.#socket || phase === "stopped" || !this.#isStarted) return;
    void this.#connect();
  }

  // --- commands and questions

  #command(command: ClientFrame, done: (frame: ServerFrame) => void = () => undefined): void {
    const id = ++this.#lastId;
    this.#waiting.set(id, done);
    this.#socket?.send(JSON.stringify({ id, ...command }));
  }

  /** Asks for the state of a channel; the third time without one, the connection is at fault. */
  #ask(channel: Channel): void {
    if (!this.#joined) return;
    if (channel.asks >= asksBeforeReconnect) return this.#drop(Close.noPong, true);
    channel.asks++;
    this.#command({ sub: channel.subscription() }, (frame) => {
      if (frame.sub) this.#subscribed(frame.sub);
      else if (frame.err) this.#subscribed({ ch: channel.name, err: frame.err });
    });
    this.#awaitAnswer(channel);
  }

  #awaitAnswer(channel: Channel): void {
    this.#io.cancel(channel.askTimer);
    channel.askTimer = this.#io.later(answerTimeout, () => this.#ask(channel));
  }

  #settle(channel: Channel): void {
    channel.asks = 0;
    this.#io.cancel(channel.askTimer);
  }

  #subscribed(answer: Subscribed): void {
    const channel = this.#channels.get(answer.ch);
    if (!channel) return;
    if ("err" in answer) return this.#refused(channel, answer.err);
    if (answer.recovered) this.#settle(channel);
  }

  #refused(channel: Channel, error: WireError): void {
    this.#settle(channel);
    if (error.code === ErrorCode.notReady) {
      channel.askTimer = this.#io.later(2_000, () => this.#ask(channel));
      return;
    }
    channel.error = error;
    channel.tell();
  }

  // --- what the server says

  #receive(text: string): void {
    this.#lastHeard = this.#io.now();
    let frames: ServerFrame[];
    try {
      frames = parseMessage(text);
    } catch {
      return; // not ours to judge; a lost frame shows as a gap
    }
    const generation = this.#generation;
    for (const frame of frames) {
      if (generation === this.#generation) this.#frame(frame);
    }
  }

  #frame(frame: ServerFrame): void {
    if (frame.id !== undefined) {
      const waiting = this.#waiting.get(frame.id);
      this.#waiting.delete(frame.id);
      waiting?.(frame);
    } else if (frame.bye) {
      this.#after = frame.bye.after;
    } else if (frame.ch !== undefined) {
      const channel = this.#channels.get(frame.ch);
      if (channel) this.#push(channel, frame);
    } else if (Object.keys(frame).length === 0) {
      this.#socket?.send("{}");
    }
  }

  #push(channel: Channel, { snap, d, hb, me, err }: ServerFrame): void {
    if (snap && takesSnap(channel.board, snap)) {
      this.#settle(channel);
      channel.error = undefined;
      channel.board = fromSnap(snap);
      channel.tell();
    } else if (d && !channel.asking) {
      const verdict = judgeDelta(channel.board, d);
      if (verdict === "gap") this.#ask(channel);
      if (verdict !== "taken") return;
      channel.board = applyDelta(channel.board!, d);
      channel.tell();
    } else if (me && me.as_of >= (channel.me?.as_of ?? 0)) {
      this.#settle(channel);
      channel.me = me;
      channel.tell();
    } else if (hb && !channel.asking) {
      const held = hb.off === undefined ? channel.me?.as_of : channel.board?.off;
      if (held === undefined || (hb.off ?? hb.as_of) > held) this.#ask(channel);
    } else if (err) {
      this.#refused(channel, err);
    }
  }

  // --- odds and ends

  #setStatus(status: Status): void {
    if (status.phase === this.#status.phase && status.code === this.#status.code) return;
    this.#status = status;
    for (const listener of this.#statusListeners) listener(status);
  }

  #timer(name: string, milliseconds: number, action: () => void): void {
    this.#clear(name);
    this.#timers.set(name, this.#io.later(milliseconds, action));
  }

  #clear(name: string): void {
    this.#io.cancel(this.#timers.get(name));
    this.#timers.delete(name);
  }
}
