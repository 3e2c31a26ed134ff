import { expect, test } from "vitest";
import { ModelServer } from "../model/server.ts";
import type { Board } from "../src/board.ts";
import type { Me, WireRow } from "../src/frames.ts";
import { LiveClient } from "../src/live.ts";
import { die, Network, noFaults, SimulatedClock } from "./simulation.ts";

const faultsWanted = Number(process.env.GUERDON_FAULTS ?? 10_000);
const seed = Number(process.env.GUERDON_SEED ?? 20261122);
const channels = ["b:week", "b:week@all"];
const memberCount = 40;

interface Viewer {
  client: LiveClient;
  n: number;
  row: string | undefined;
  boards: Map<string, Board>;
  me: Me | undefined;
}

/** Posts, faults and restarts from one die; remembers what was published at every position. */
class World {
  readonly random = die(seed);
  readonly clock = new SimulatedClock();
  readonly history = new Map<string, string>();
  readonly members = new Map([
    ["token-m3", "m3"],
    ["token-m30", "m30"],
  ]);
  incarnation = 0;
  server = this.#newServer();
  readonly network = new Network(this.clock, this.random, this.server);
  readonly viewers: Viewer[] = [];
  checked = 0;

  #newServer(): ModelServer {
    const before = this.incarnation === 0 ? undefined : this.server;
    const epoch = `e${++this.incarnation}`;
    const server = new ModelServer({ clock: this.clock, epoch, members: this.members });
    server.seq = before?.seq ?? 1;
    for (const channel of channels) {
      const board = server.board(channel);
      const old = before?.board(channel);
      for (const [id, entry] of old?.entries ?? []) board.entries.set(id, entry);
      if (old) Object.assign(board, { asOf: old.asOf, win: old.win });
    }
    return server;
  }

  async restart(): Promise<void> {
    this.network.restart(undefined);
    await this.clock.advance(this.random() * 5_000);
    this.server = this.#newServer();
    this.network.server = this.server;
  }

  post(): void {
    const channel = channels[Math.floor(this.random() * channels.length)]!;
    const id = `m${Math.floor(this.random() * memberCount)}`;
    const roll = this.random();
    if (roll < 0.01) {
      const id = `2026-W${10 + Math.floor(this.random() * 40)}`;
      this.server.turnOver(channel, { id, starts: 1, ends: 2 });
    } else if (roll < 0.06) {
      this.server.board(channel).remove(id, ++this.server.seq);
      this.server.publish(channel);
    } else {
      this.server.post(channel, id, Math.floor(this.random() * 60));
    }
    this.#remember(channel);
  }

  /** The position of every stream, with the rows and names that were published there. */
  #remember(channel: string): void {
    for (const n of [10, 25]) {
      const { epoch, off, rows, who, total, win } = this.server.board(channel).snap(n);
      const rowsOf = rows.map((row) => [...row, ...who[row[1]]!]);
      this.history.set(`${epoch}/${channel}/${n}/${off}`, JSON.stringify([win.id, total, rowsOf]));
    }
  }

  watch(token: string | undefined, n: number): void {
    const client = new LiveClient({
      server: "http://model",
      key: "pk_test_model",
      token: token === undefined ? undefined : () => Promise.resolve(token),
      io: this.network.io(),
    });
    const row = token === undefined ? undefined : this.members.get(token);
    const viewer: Viewer = { client, n, row, boards: new Map(), me: undefined };
    for (const channel of channels) {
      client.watchBoard(channel, n, { board: (board) => this.#see(viewer, channel, board) });
    }
    if (row) client.watchMe({ me: (me) => (viewer.me = me) });
    this.viewers.push(viewer);
  }

  #see(viewer: Viewer, channel: string, board: Board): void {
    viewer.boards.set(channel, board);
    const published = this.history.get(`${board.epoch}/${channel}/${board.n}/${board.off}`);
    if (published === undefined) return; // from before the first post of this incarnation
    this.checked++;
    const rows = board.rows.map((r) => [r.rank, r.id, r.score, r.place, r.name, r.from]);
    if (JSON.stringify([board.win.id, board.total, rows]) !== published) {
      throw new Error(`wrong at ${board.epoch}/${channel}/${board.n}/${board.off}`);
    }
  }
}

function wire(board: Board): WireRow[] {
  return board.rows.map((row) => [row.rank, row.id, row.score, row.place]);
}

test("a network that loses, repeats, delays and cuts leaves every client with the board", async () => {
  const world = new World();
  for (let i = 0; i < 60; i++) world.post();
  for (const n of [7, 10, 25]) world.watch(undefined, n);
  world.watch("token-m3", 10);
  world.watch("token-m30", 25);
  await world.clock.advance(1_000);

  while (world.network.total < faultsWanted) {
    for (const { client } of world.viewers) expect(client.status.phase).not.toBe("stopped");
    world.network.faults = {
      drop: world.random() * 0.1,
      duplicate: world.random() * 0.1,
      reorder: world.random() * 0.1,
      stall: 0.002,
      cut: 0.004,
    };
    const posts = Math.floor(world.random() * 40);
    for (let i = 0; i < posts; i++) {
      world.post();
      await world.clock.advance(world.random() * 200);
    }
    await world.clock.advance(world.random() * 10_000);
    if (world.random() < 0.05) await world.restart();
  }

  world.network.faults = noFaults;
  await world.clock.advance(180_000);
  world.post();
  await world.clock.advance(60_000);

  expect(world.checked).toBeGreaterThan(faultsWanted / 10);
  for (const { client, n, row, boards, me } of world.viewers) {
    expect(client.status.phase).toBe("live");
    for (const channel of channels) {
      const truth = world.server.board(channel);
      const held = boards.get(channel)!;
      expect(held.epoch).toBe(truth.epoch);
      expect(wire(held).slice(0, n)).toEqual(truth.all().slice(0, n));
      expect(held.total).toBe(truth.entries.size);
      if (row) expect(me?.boards[channel]).toEqual(truth.standing(row));
    }
  }
  const { counts } = world.server;
  console.log(
    `faults ${JSON.stringify(world.network.count)}, states checked ${world.checked}`,
    counts,
  );
}, 600_000);
