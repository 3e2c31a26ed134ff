/** docs/examples/live-client.js, written from docs/live.md alone, against the real server. */
import { createHmac } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { WebSocket } from "ws";
import { binary, RealServer, until } from "./real.ts";

interface Row {
  rank: number;
  id: string;
  name: string;
}
interface State {
  error?: number;
  rows: Row[];
  asOf: number;
  as_of: number;
  bal: { available: number }[];
}
type Changed = (channel: string, state: State) => void;
interface Client {
  follow(channel: string, n?: number): void;
  open(): void;
  close(): void;
}
interface Options {
  key?: string;
  token?: () => Promise<string>;
  Socket: typeof WebSocket;
}

const file = new URL("../../docs/examples/live-client.js", import.meta.url);
const isBuilt = existsSync(binary);
const server = new RealServer();
let LiveClient: new (server: string, options: Options, changed: Changed) => Client;
let key: { key: string };
let signer: { kid: string; secret: string };
const names = Object.fromEntries(
  Array.from({ length: 30 }, (_, i) => [`m${i}`, `Customer ${i}`] as const),
);

/** A wire that is cut in the middle of a frame whenever a test likes. */
class Cutter {
  readonly #wires = new Set<Socket>();
  readonly #listener = createServer((client) => {
    const upstream = connect(server.port, "127.0.0.1");
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      this.#wires.add(from);
      from.pipe(to);
      from.on("error", () => to.destroy());
      from.on("close", () => (this.#wires.delete(from), to.destroy()));
    }
  });
  url = "";

  async start(): Promise<void> {
    await new Promise<void>((resolve) => this.#listener.listen(0, "127.0.0.1", resolve));
    this.url = `http://127.0.0.1:${(this.#listener.address() as AddressInfo).port}`;
  }

  cut(): void {
    for (const wire of this.#wires) wire.destroy();
  }

  stop(): void {
    this.cut();
    this.#listener.close();
  }
}

function token(member: string): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const now = Math.floor(Date.now() / 1000);
  const claims = { iss: "maison-laurier", sub: member, aud: "guerdon", iat: now, exp: now + 900 };
  const text = `${part({ alg: "HS256", kid: signer.kid })}.${part(claims)}`;
  return `${text}.${createHmac("sha256", signer.secret).update(text).digest("base64url")}`;
}

/** Buys and sends back so many times, members and amounts as they come. */
async function trade(times: number): Promise<void> {
  for (let i = 0; i < times; i++) {
    const euros = 5 + ((i * 53) % 90);
    const { order } = await server.buy(`m${(i * 11) % 30}`, euros);
    if (i % 3 === 0) await server.refund(order, euros);
  }
}

/** The first `limit` rows as REST has them, after everything that was posted. */
async function truth(limit: number): Promise<unknown[]> {
  const { seq } = await server.call<{ seq: number }>("GET", "/checkpoint");
  const { rows } = await server.call<{ rows: (Row & { me?: true })[] }>(
    "GET",
    `/boards/laurier?limit=${limit}&min_seq=${seq}`,
  );
  return rows;
}

beforeAll(async () => {
  if (!isBuilt) return;
  ({ LiveClient } = (await import(/* @vite-ignore */ fileURLToPath(file))) as never);
  await server.start();
  await server.create(names);
  key = await server.call("POST", "/keys", {
    kind: "publishable",
    origins: ["http://shop.example"],
  });
  signer = await server.call("POST", "/keys", { kind: "shopper", algorithm: "HS256" });
});
afterAll(() => server.stop());

test("it is a page long", () => {
  expect(readFileSync(file, "utf8").trimEnd().split("\n").length).toBeLessThanOrEqual(100);
});

test.skipIf(!isBuilt)(
  "boards and balance are right through orders, cut wires and a killed server",
  async () => {
    const cutter = new Cutter();
    await cutter.start();
    const seen = new Map<string, State>();
    let changes = 0;
    const client = new LiveClient(
      cutter.url,
      { key: key.key, token: async () => token("m3"), Socket: WebSocket },
      (channel, state) => {
        changes++;
        seen.set(channel, state);
      },
    );
    const isRight = async () => {
      for (const [channel, limit] of [
        ["b:laurier", 10],
        ["b:laurier@all", 25],
      ] as const) {
        const right = await truth(limit);
        await until(
          `${channel} is right`,
          async () =>
            JSON.stringify(sorted(seen.get(channel)?.rows)) === JSON.stringify(sorted(right)),
          60,
        );
      }
      const { balances } = await server.call<{ balances: { available: number }[] }>(
        "GET",
        "/members/m3",
      );
      await until(
        "the balance is right",
        async () => seen.get("me")?.bal[0]?.available === balances[0]?.available,
        60,
      );
    };
    try {
      client.follow("b:laurier");
      client.follow("b:laurier@all", 20); // rounded up to 25
      client.follow("me");
      await trade(60);
      await isRight();
      for (let cut = 0; cut < 3; cut++) {
        const trading = trade(15);
        cutter.cut();
        await trading;
        await isRight();
      }
      await server.kill();
      await server.start();
      await trade(15);
      await isRight();
      client.close();
      const before = changes;
      await trade(10);
      expect(changes).toBe(before);
      client.open();
      await isRight();
    } finally {
      client.close();
      cutter.stop();
    }
  },
  240_000,
);

test.skipIf(!isBuilt)("a board that is not there and a bad key end it", async () => {
  const codes: (number | undefined)[] = [];
  const changed: Changed = (_channel, { error }) => codes.push(error);
  const client = new LiveClient(server.url, { key: key.key, Socket: WebSocket }, changed);
  client.follow("b:nowhere");
  await until("the board's error", async () => codes.includes(101));
  client.follow("me");
  await until("not without a token", async () => codes.includes(103));
  client.close();
  const stranger = new LiveClient(server.url, { key: "pk_live_x", Socket: WebSocket }, changed);
  stranger.follow("b:laurier");
  await until("the key's error", async () => codes.includes(4500));
  stranger.close();
});

/** The same fields in the same order; REST marks the member's own row as well. */
function sorted(rows: unknown[] | undefined): unknown {
  return (rows as (Row & { score: number; place: number; from: number | null })[] | undefined)?.map(
    ({ rank, id, score, place, name, from }) => [rank, id, score, place, name, from],
  );
}
