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
const timeOutsBeforeReconnect = 3;
const failuresBeforeOffline = 3;
const tokenTimeout = 10_000;
const soonestRefresh = 5_000;
const refreshAgain = 30_000;
const firstTokenRetry = 10_000;
const longestTokenRetry = 300_000;
const notReadyRetry = 2_000;
/** A shopper who is no member yet: asked for again at the latest, and at the soonest. */
const memberRetry = 30_000;
const memberRetrySoon = 5_000;

const tokenFailed = Symbol();

/** One joined channel: its listeners, what is held, and the question that is out, if any. */
class Channel {
  readonly listeners = new Map<object, { n: number; events: BoardEvents & MeEvents }>();
  board: Board | undefined;
  me: Me | undefined;
  error: WireError | undefined;
  asking = false;
  /** Questions in a row that were not answered in time. */
  timeOuts = 0;
  refusedAt = 0;
  askTimer: unknown;

  constructor(readonly name: string) {}

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
  /** From the first step of a connection until it ends or is given up. */
  #hasConnection = false;
  #joined = false;
  #attempt = 0;
  #generation = 0;
  #lastId = 0;
  #waiting = new Map<number, (frame: ServerFrame) => void>();
  #ticket: string | undefined;
  #isMember = false;
  /** The server's clock less that of `Io.now`. */
  #ahead = 0;
  #tokenFailures = 0;
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

  /** Tries again at once, also after the server said stop; while live, the channels it refused. */
  retry(): void {
    if (this.#joined) {
      for (const channel of this.#channels.values()) if (channel.error) this.#ask(channel);
      return;
    }
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
    this.#io.later(0, () => this.#comeBack());
  }

  #leave(channel: Channel, listener: object): void {
    channel.listeners.delete(listener);
    if (channel.listeners.size > 0) return;
    this.#settle(channel);
    this.#channels.delete(channel.name);
    if (this.#joined && !channel.error) this.#command({ unsub: { ch: channel.name } });
  }

  // --- the connection

  async #connect(token?: string): Promise<void> {
    const generation = ++this.#generation;
    this.#hasConnection = true;
    this.#clear("retry");
    // While the shop's server is being asked again for a token, boards show without.
    if (!this.#ticket && !token && !this.#timers.has("token")) {
      const given = await this.#askToken();
      if (generation !== this.#generation) return;
      if (given === tokenFailed) {
        if (!this.#options.key) return this.#failed(Close.tokenExpired);
        this.#retryToken();
      } else token = given || undefined;
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

  /** A token, nothing for a guest, or `tokenFailed` when the shop gave none in time. */
  #askToken(): Promise<string | null | undefined | typeof tokenFailed> {
    return new Promise((resolve) => {
      const failed = () => resolve(tokenFailed);
      this.#io.later(tokenTimeout, failed);
      try {
        Promise.resolve(this.#options.token?.()).then(resolve, failed);
      } catch {
        failed();
      }
    });
  }

  /** The connection is a guest's meanwhile; with a token it is made again. */
  #retryToken(): void {
    const ceiling = Math.min(longestTokenRetry, firstTokenRetry * 2 ** this.#tokenFailures++);
    const delay = ceiling * (0.5 + 0.5 * this.#io.random());
    const ask = async () => {
      const timer = this.#timers.get("token");
      const token = await this.#askToken();
      if (timer !== this.#timers.get("token")) return; // hidden or stopped meanwhile
      if (token === tokenFailed) return this.#retryToken();
      this.#forgetTokenRetry();
      if (!token) return;
      this.#drop(Close.normal);
      void this.#connect(token);
    };
    this.#timer("token", delay, () => void ask());
  }

  #forgetTokenRetry(): void {
    this.#clear("token");
    this.#tokenFailures = 0;
  }

  #address(): string {
    return this.#options.server.replace(/^http/, "ws").replace(/\/$/, "") + "/live";
  }

  #introduce(token: string | undefined): void {
    const channels = [...this.#channels.values()];
    const connect: NonNullable<ClientFrame["connect"]> = {
      v: 1,
      subs: channels.map((channel) => channel.subscription()),
    };
    if (this.#options.key) connect.key = this.#options.key;
    if (this.#ticket) connect.resume = this.#ticket;
    else if (token) connect.token = token;
    for (const channel of channels) channel.asking = true;
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
    this.#ahead = answer.now - this.#io.now();
    this.#keepTicket(answer.ticket, answer.exp);
    this.#setStatus({ phase: "live" });
    for (const subscribed of answer.subs) this.#subscribed(subscribed);
    for (const channel of asked) if (channel.asking) this.#awaitAnswer(channel);
    for (const channel of this.#channels.values()) {
      if (!asked.includes(channel)) this.#ask(channel);
    }
  }

  /** `exp` is by the server's clock; the reader's may be wrong by hours. */
  #keepTicket(ticket: string | undefined, exp: number | undefined): void {
    this.#ticket = ticket;
    if (exp === undefined) return;
    const left = exp - this.#ahead - this.#io.now();
    this.#refreshIn(Math.max(soonestRefresh, 0.8 * left));
  }

  #refreshIn(milliseconds: number): void {
    this.#timer("refresh", milliseconds, () => void this.#refresh());
  }

  async #refresh(): Promise<void> {
    const generation = this.#generation;
    const token = await this.#askToken();
    if (generation !== this.#generation || !this.#joined) return;
    if (token === tokenFailed) return this.#refreshIn(refreshAgain);
    if (!token) return;
    this.#command({ refresh: { token } }, ({ refresh }) => {
      if (refresh) this.#keepTicket(refresh.ticket, refresh.exp);
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
    this.#hasConnection = this.#joined = false;
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
    if (!mayReconnect(code) && code !== Close.noConnect) {
      this.#forgetTokenRetry();
      return this.#setStatus({ phase: "stopped", code });
    }
    this.#attempt++;
    const isOffline = this.#io.isOffline() || this.#attempt > failuresBeforeOffline;
    this.#setStatus({ phase: isOffline ? "offline" : "reconnecting" });
    const delay = retryDelay(code, this.#attempt, after, () => this.#io.random());
    this.#timer("retry", delay, () => void this.#connect());
  }

  #pause(): void {
    if (this.#status.phase === "stopped") return;
    this.#drop(Close.normal);
    this.#forgetTokenRetry();
    this.#setStatus({ phase: this.#io.isOffline() ? "offline" : "reconnecting" });
  }

  #comeBack(): void {
    const { phase } = this.#status;
    if (this.#hasConnection || phase === "stopped" || !this.#isStarted) return;
    void this.#connect();
  }

  // --- commands and questions

  #command(command: ClientFrame, done: (frame: ServerFrame) => void = () => undefined): void {
    const id = ++this.#lastId;
    this.#waiting.set(id, done);
    this.#socket?.send(JSON.stringify({ id, ...command }));
  }

  /** Asks for the state of a channel. */
  #ask(channel: Channel): void {
    if (!this.#joined) return;
    channel.asking = true;
    this.#command({ sub: channel.subscription() }, (frame) => {
      if (frame.sub) this.#subscribed(frame.sub);
      else if (frame.err) this.#subscribed({ ch: channel.name, err: frame.err });
    });
    this.#awaitAnswer(channel);
  }

  #awaitAnswer(channel: Channel): void {
    this.#io.cancel(channel.askTimer);
    channel.askTimer = this.#io.later(answerTimeout, () => this.#late(channel));
  }

  /** The third time without an answer, the connection is at fault. */
  #late(channel: Channel): void {
    if (++channel.timeOuts < timeOutsBeforeReconnect) this.#ask(channel);
    else this.#drop(Close.noPong, true);
  }

  #settle(channel: Channel): void {
    channel.asking = false;
    channel.timeOuts = 0;
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
    const isNotReady = error.code === ErrorCode.notReady;
    channel.refusedAt = this.#io.now();
    if (error.retry) this.#askIn(channel, isNotReady ? notReadyRetry : memberRetry);
    if (isNotReady) return;
    channel.error = error;
    channel.tell();
  }

  #askIn(channel: Channel, milliseconds: number): void {
    this.#io.cancel(channel.askTimer);
    channel.askTimer = this.#io.later(milliseconds, () => this.#ask(channel));
  }

  /** A board moved: perhaps by the first order of a shopper who was refused as no member yet. */
  #hurry(): void {
    const me = this.#channels.get("me");
    if (!me?.error?.retry || me.asking) return;
    this.#askIn(me, Math.max(0, me.refusedAt + memberRetrySoon - this.#io.now()));
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
      this.#hurry();
    } else if (d && !channel.asking) {
      const verdict = judgeDelta(channel.board, d);
      if (verdict === "gap") this.#ask(channel);
      if (verdict !== "taken") return;
      channel.board = applyDelta(channel.board!, d);
      channel.tell();
      this.#hurry();
    } else if (me && me.as_of >= (channel.me?.as_of ?? 0)) {
      this.#settle(channel);
      channel.error = undefined;
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
