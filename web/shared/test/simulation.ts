/** A clock that jumps from event to event, a seeded die, and a network that loses things. */
import type { Io, Socket, SocketEvents } from "../src/io.ts";
import type { Clock } from "../model/server.ts";
import type { ModelServer } from "../model/server.ts";

/** mulberry32: small, seeded, good enough for dice. */
export function die(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

interface Task {
  at: number;
  order: number;
  action: () => void;
}

export class SimulatedClock implements Clock {
  #now = 0;
  #order = 0;
  #tasks: Task[] = [];

  now(): number {
    return this.#now;
  }

  later(milliseconds: number, action: () => void): Task {
    const task = { at: this.#now + Math.max(0, milliseconds), order: ++this.#order, action };
    let low = 0;
    let high = this.#tasks.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#tasks[middle]!.at > task.at) low = middle + 1;
      else high = middle;
    }
    this.#tasks.splice(low, 0, task); // latest first; of equal times, the newest first
    return task;
  }

  cancel(timer: unknown): void {
    const index = this.#tasks.indexOf(timer as Task);
    if (index >= 0) this.#tasks.splice(index, 1);
  }

  /** Runs everything due in the next `milliseconds`; promises settle in between. */
  async advance(milliseconds: number): Promise<void> {
    const until = this.#now + milliseconds;
    for (;;) {
      for (let i = 0; i < 8; i++) await Promise.resolve();
      const next = this.#tasks.at(-1);
      if (!next || next.at > until) break;
      this.#tasks.pop();
      this.#now = next.at;
      next.action();
    }
    this.#now = until;
  }
}

export interface Faults {
  drop: number;
  duplicate: number;
  reorder: number;
  stall: number;
  cut: number;
}

export const noFaults: Faults = { drop: 0, duplicate: 0, reorder: 0, stall: 0, cut: 0 };

/** Carries messages between clients and whatever server is up; every message may meet a fault. */
export class Network {
  faults: Faults = noFaults;
  count = { drop: 0, duplicate: 0, reorder: 0, stall: 0, cut: 0, restart: 0 };
  readonly #connections = new Set<Connection>();

  constructor(
    readonly clock: SimulatedClock,
    readonly random: () => number,
    public server: ModelServer | undefined,
  ) {}

  get total(): number {
    return Object.values(this.count).reduce((sum, count) => sum + count, 0);
  }

  /** The server process dies without a word and another takes its place. */
  restart(server: ModelServer | undefined): void {
    this.count.restart++;
    for (const connection of [...this.#connections]) connection.cut(1006);
    this.server = server;
  }

  open(events: SocketEvents): Socket {
    const connection = new Connection(this, events);
    this.#connections.add(connection);
    return connection;
  }

  forget(connection: Connection): void {
    this.#connections.delete(connection);
  }

  happens(fault: keyof Faults): boolean {
    if (this.faults[fault] === 0 || this.random() >= this.faults[fault]) return false;
    this.count[fault]++;
    return true;
  }

  io(): Io {
    return {
      open: (_url, events) => this.open(events),
      now: () => this.clock.now(),
      later: (milliseconds, action) => this.clock.later(milliseconds, action),
      cancel: (timer) => this.clock.cancel(timer),
      random: this.random,
      watchPage: () => undefined,
      isOffline: () => false,
    };
  }
}

class Connection implements Socket {
  #session: ReturnType<ModelServer["accept"]> | undefined;
  #isOpen = true;
  #freeAt = 0;

  constructor(
    readonly network: Network,
    readonly events: SocketEvents,
  ) {
    network.clock.later(5 + network.random() * 50, () => this.#accept());
  }

  #accept(): void {
    if (!this.#isOpen) return;
    if (!this.network.server) return this.cut(1006);
    this.#session = this.network.server.accept({
      send: (text) => this.#carry(() => this.events.received(text)),
      close: (code) => this.#carry(() => this.cut(code), "sure"),
    });
    this.events.opened();
  }

  send(text: string): void {
    this.#carry(() => this.#session?.receive(text), text.includes('"connect"') ? "once" : "any");
  }

  close(code: number): void {
    this.cut(code);
  }

  cut(code: number): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.network.forget(this);
    this.#session?.closed();
    this.events.closed(code);
  }

  /**
   * In order, after a short way; unless a fault decides otherwise. `once`: never twice or late,
   * since a second connect is the client's own fault and ends it for good. `sure`: no fault.
   */
  #carry(deliver: () => void, how: "any" | "once" | "sure" = "any"): void {
    const { network } = this;
    const arrive = () => {
      if (this.#isOpen) deliver();
    };
    const way = 5 + network.random() * 40;
    if (how === "sure") {
      this.#freeAt = Math.max(this.#freeAt, network.clock.now() + way);
      return void network.clock.later(this.#freeAt - network.clock.now(), arrive);
    }
    if (network.happens("drop")) return;
    if (network.happens("cut")) return void network.clock.later(way, () => this.cut(1006));
    if (how === "any" && network.happens("reorder")) {
      return void network.clock.later(way + network.random() * 3_000, arrive);
    }
    if (network.happens("stall")) this.#freeAt = network.clock.now() + network.random() * 60_000;
    this.#freeAt = Math.max(this.#freeAt, network.clock.now() + way);
    const delay = this.#freeAt - network.clock.now();
    network.clock.later(delay, arrive);
    if (how === "any" && network.happens("duplicate")) {
      network.clock.later(delay + network.random() * 1_000, arrive);
    }
  }
}
