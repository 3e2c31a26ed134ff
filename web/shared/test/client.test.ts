import { beforeEach, expect, test } from "vitest";
import { ModelServer } from "../model/server.ts";
import { applyDelta, fromSnap, judgeDelta } from "../src/board.ts";
import { Close, mayReconnect, retryDelay } from "../src/codes.ts";
import { parseMessage, type Delta, type Snap } from "../src/frames.ts";
import type { Io } from "../src/io.ts";
import { LiveClient, type Status } from "../src/live.ts";
import { die, Network, SimulatedClock } from "./simulation.ts";

const snap: Snap = {
  epoch: "e1",
  off: 4,
  as_of: 9,
  n: 10,
  total: 2,
  win: { id: "all", starts: null, ends: null },
  rows: [
    [1, "a", 50, 1],
    [2, "b", 40, 2],
  ],
  who: { a: ["Ana", 2], b: ["B.", null] },
};
const delta: Delta = {
  off: 5,
  as_of: 10,
  total: 2,
  set: [
    [1, "b", 60, 1],
    [2, "c", 50, 2],
  ],
  out: ["a"],
  who: { c: ["Cy", 7] },
};

test("a delta removes, sets, names and sorts; twice is as once", () => {
  const once = applyDelta(fromSnap(snap), delta);
  expect(once.rows.map((row) => [row.rank, row.id, row.score, row.name, row.from])).toEqual([
    [1, "b", 60, "B.", null],
    [2, "c", 50, "Cy", 7],
  ]);
  expect(applyDelta(once, delta)).toEqual(once);
});

test("only the next offset is taken", () => {
  const held = fromSnap(snap);
  expect(judgeDelta(held, delta)).toBe("taken");
  expect(judgeDelta(held, { ...delta, off: 4 })).toBe("dropped");
  expect(judgeDelta(held, { ...delta, off: 6 })).toBe("gap");
  expect(judgeDelta(undefined, delta)).toBe("gap");
});

test("several objects may share a message", () => {
  expect(parseMessage('{}\n{"id":3,"unsub":{"ch":"me"}}')).toHaveLength(2);
  expect(() => parseMessage("{}\n{")).toThrow();
});

test("the range of a close code is its verdict, and retries are spread", () => {
  expect([1000, 1006, 4400, 4406].every(mayReconnect)).toBe(true);
  expect([4500, 4504].some(mayReconnect)).toBe(false);
  const almostOne = () => 0.999999;
  expect(retryDelay(1006, 1, undefined, almostOne)).toBeCloseTo(3_000, 0);
  expect(retryDelay(1006, 3, undefined, almostOne)).toBeCloseTo(4_000, 0);
  expect(retryDelay(1006, 12, undefined, almostOne)).toBeCloseTo(30_000, -1);
  expect(retryDelay(Close.tokenExpired, 1, undefined, almostOne)).toBe(0);
  expect(retryDelay(Close.shutdown, 1, 7_400, almostOne)).toBe(7_400);
  expect(retryDelay(Close.rateLimited, 1, undefined, () => 0)).toBe(5_000);
});

let clock: SimulatedClock;
let server: ModelServer;
let network: Network;

beforeEach(() => {
  clock = new SimulatedClock();
  server = new ModelServer({
    clock,
    epoch: "e1",
    keys: ["pk_test_k"],
    members: new Map([["t1", "a"]]),
  });
  server.post("b:week", "a", 10);
  network = new Network(clock, die(7), server);
});

function client(
  token?: () => Promise<string>,
  io: Partial<Io> = {},
): { live: LiveClient; seen: Status[] } {
  const live = new LiveClient({
    server: "https://model/",
    key: "pk_test_k",
    token,
    io: { ...network.io(), ...io },
  });
  const seen: Status[] = [];
  live.onStatus((status) => seen.push(status));
  return { live, seen };
}

test("a reconnect resumes by position and asks for no snapshot", async () => {
  const { live } = client();
  let off = 0;
  live.watchBoard("b:week", 10, { board: (board) => (off = board.off) });
  await clock.advance(1_000);
  for (let i = 0; i < 3; i++) server.post("b:week", `x${i}`, 20 + i);
  await clock.advance(1_000);
  expect([off, server.counts.snaps]).toEqual([4, 1]);
  server.drop(Close.slow);
  server.post("b:week", "y", 99);
  await clock.advance(10_000);
  expect([off, server.counts.snaps, server.counts.recoveries]).toEqual([5, 1, 1]);
});

test("bye says when to come back", async () => {
  const { live } = client();
  live.watchBoard("b:week", 10, { board: () => undefined });
  await clock.advance(1_000);
  server.drop(Close.shutdown, 20_000);
  await clock.advance(19_000);
  expect(live.status.phase).toBe("reconnecting");
  await clock.advance(2_000);
  expect(live.status.phase).toBe("live");
});

test("an expired ticket is forgotten and a fresh token fetched; a bad one stops", async () => {
  let fetched = 0;
  const { live, seen } = client(() => Promise.resolve(++fetched < 3 ? "t1" : "bad"));
  live.watchMe({ me: () => undefined });
  await clock.advance(1_000);
  expect([live.isMember, fetched]).toEqual([true, 1]);
  server.drop(Close.tokenExpired);
  await clock.advance(1_000);
  expect([live.status.phase, fetched]).toEqual(["live", 2]);
  server.drop(Close.tokenExpired);
  await clock.advance(40_000);
  expect([seen.at(-1), fetched]).toEqual([{ phase: "stopped", code: Close.badToken }, 3]);
});

test("silence of 35 s is death, a ping is not silence", async () => {
  const { live } = client();
  live.watchBoard("b:week", 10, { board: () => undefined });
  await clock.advance(120_000);
  expect([live.status.phase, server.counts.connects]).toEqual(["live", 1]);
  network.faults = { drop: 1, duplicate: 0, reorder: 0, stall: 0, cut: 0 };
  await clock.advance(36_000);
  expect(live.status.phase).toBe("reconnecting");
});

test("a second element with more rows widens the channel", async () => {
  const { live } = client();
  for (let i = 0; i < 30; i++) server.post("b:week", `x${i}`, i + 20);
  live.watchBoard("b:week", 10, { board: () => undefined });
  await clock.advance(1_000);
  let rows = 0;
  const end = live.watchBoard("b:week", 20, { board: (board) => (rows = board.rows.length) });
  await clock.advance(1_000);
  expect(rows).toBe(25);
  end();
});

test("a refused channel says so once and for all", async () => {
  const { live } = client();
  let code = 0;
  live.watchBoard("b:none", 10, { board: () => undefined, failed: (error) => (code = error.code) });
  await clock.advance(30_000);
  expect(code).toBe(101);
});

test("one misspelt channel is refused and the others of the first frame are live", async () => {
  const { live } = client();
  let code = 0;
  let rows = 0;
  live.watchBoard("b:We ek", 10, {
    board: () => undefined,
    failed: (error) => (code = error.code),
  });
  live.watchBoard("b:week", 10, { board: (board) => (rows = board.rows.length) });
  await clock.advance(60_000);
  expect([code, rows, live.status.phase, server.counts.connects]).toEqual([101, 1, "live", 1]);
});

test("trying again asks again for what was refused, without another connection", async () => {
  const { live } = client();
  let rows = 0;
  live.watchBoard("b:late", 10, { board: (board) => (rows = board.rows.length) });
  await clock.advance(1_000);
  server.post("b:late", "a", 5);
  await clock.advance(60_000);
  expect(rows).toBe(0);
  live.retry();
  await clock.advance(1_000);
  expect([rows, server.counts.connects]).toEqual([1, 1]);
});

test("four boards of growing length on one channel are no silence", async () => {
  const { live, seen } = client();
  for (let i = 0; i < 120; i++) server.post("b:week", `x${i}`, i + 20);
  live.watchBoard("b:week", 5, { board: () => undefined });
  await clock.advance(1_000);
  let rows = 0;
  for (const n of [20, 40, 60, 90, 100]) {
    live.watchBoard("b:week", n, { board: (board) => (rows = board.rows.length) });
  }
  await clock.advance(60_000);
  expect([rows, server.counts.connects]).toEqual([100, 1]);
  expect(seen.map(({ phase }) => phase)).toEqual(["connecting", "live"]);
});

for (const minutes of [-20, 0, 20]) {
  test(`a clock ${minutes} min from the server's asks for a token at 80 % of its life`, async () => {
    let fetched = 0;
    const token = () => Promise.resolve(++fetched ? "t1" : "");
    const { live } = client(token, { now: () => clock.now() + minutes * 60_000 });
    live.watchMe({ me: () => undefined });
    await clock.advance(719_000);
    expect(fetched).toBe(1);
    await clock.advance(3_600_000 - 719_000);
    expect([fetched, server.counts.connects]).toEqual([5, 1]);
  });
}

test("tokens that are as good as over are not fetched more often than every five seconds", async () => {
  let fetched = 0;
  server.options.tokenLife = 1_000;
  const { live } = client(() => Promise.resolve(++fetched ? "t1" : ""));
  live.watchMe({ me: () => undefined });
  await clock.advance(60_000);
  expect(fetched).toBeGreaterThan(2);
  expect(fetched).toBeLessThanOrEqual(13);
});

test("a page that is shown while its first token is awaited asks for no second one", async () => {
  let fetched = 0;
  let show = () => undefined as void;
  const token = () =>
    new Promise<string>((resolve) => {
      fetched++;
      clock.later(3_000, () => resolve("t1"));
    });
  const { live } = client(token, { watchPage: ({ seen }) => (show = seen) });
  live.watchMe({ me: () => undefined });
  show();
  await clock.advance(1_000);
  show();
  await clock.advance(10_000);
  expect([fetched, server.counts.connects, live.isMember]).toEqual([1, 1, true]);
});

for (const [how, first] of [
  ["hangs", () => new Promise<string>(() => undefined)],
  ["fails", () => Promise.reject(new Error("503"))],
  [
    "throws",
    () => {
      throw new Error("no such function");
    },
  ],
] as [string, () => Promise<string>][]) {
  test(`a token that ${how} leaves the boards; the member comes with a later one`, async () => {
    let fetched = 0;
    const { live, seen } = client(() => (++fetched < 4 ? first() : Promise.resolve("t1")));
    let rows = 0;
    let isKnown = false;
    live.watchBoard("b:week", 10, { board: (board) => (rows = board.rows.length) });
    live.watchMe({ me: () => (isKnown = true) });
    await clock.advance(12_000);
    expect([rows, live.isMember, live.status.phase]).toEqual([1, false, "live"]);
    server.drop(Close.slow);
    await clock.advance(5_000);
    expect(live.status.phase).toBe("live");
    await clock.advance(180_000);
    expect([fetched, isKnown, live.isMember]).toEqual([4, true, true]);
    expect(seen.some(({ phase }) => phase === "stopped")).toBe(false);
  });
}

test("while a shop gives no token it is asked less and less often", async () => {
  const asked: number[] = [];
  const { live } = client(() => {
    asked.push(clock.now());
    return Promise.reject(new Error("503"));
  });
  live.watchBoard("b:week", 10, { board: () => undefined });
  await clock.advance(3_600_000);
  const gaps = asked.slice(1).map((at, index) => at - asked[index]!);
  expect(gaps[0]).toBeGreaterThanOrEqual(5_000);
  expect(Math.max(...gaps)).toBeGreaterThan(150_000);
  expect(asked.length).toBeLessThan(30);
  expect(server.counts.connects).toBe(1);
});

test("a shopper becomes a member with the first order, without a reload", async () => {
  server.strangers.add("a");
  const { live } = client(() => Promise.resolve("t1"));
  const seen: (number | undefined)[] = [];
  live.watchBoard("b:week", 10, { board: () => undefined });
  live.watchMe({
    me: (me) => seen.push(me.boards["b:week"]?.score),
    failed: () => seen.push(undefined),
  });
  await clock.advance(4_000);
  expect([seen, live.status.phase]).toEqual([[undefined], "live"]);
  await clock.advance(20_000);
  server.strangers.clear();
  server.post("b:week", "a", 70);
  await clock.advance(1_000);
  expect(seen.at(-1)).toBe(70);
});

test("no member yet: asked every 30 s, at most every 5 s while a board moves", async () => {
  server.strangers.add("a");
  const { live } = client(() => Promise.resolve("t1"));
  live.watchBoard("b:week", 10, { board: () => undefined });
  live.watchMe({ me: () => undefined });
  await clock.advance(10_000);
  const quiet = server.counts.refused;
  await clock.advance(300_000);
  expect(server.counts.refused - quiet).toBe(10);
  const busy = server.counts.refused;
  for (let i = 0; i < 600; i++) {
    server.post("b:week", `x${i % 20}`, i);
    await clock.advance(100);
  }
  expect(server.counts.refused - busy).toBeGreaterThan(8);
  expect(server.counts.refused - busy).toBeLessThanOrEqual(13);
});
