/** The shop's page, the widget out of the binary and the real server, each on a port of its own. */
import { existsSync } from "node:fs";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { binary, freePort, RealServer, RealShop, until } from "./real.ts";
import { axe, manifest, screenshots, seen, Stage, untilState, type Watched } from "./stage.ts";

const isBuilt = existsSync(binary);
const names: Record<string, string> = {
  "ml-001": "Camille A.",
  "ml-002": "Élodie M.",
  "ml-003": "Thibault R.",
  "ml-004": "Inès B.",
  "ml-005": "Hugo D.",
  "ml-006": "Anna K.",
  "ml-007": "Nadia F.",
  "ml-008": "Margaux T.",
  "ml-009": "Karim H.",
  "ml-010": "Rosa S.",
  "ml-011": "Ugo L.",
  "ml-012": "Wim N.",
};
const me = "ml-001";
const myName = names[me]!;
const liveSeconds = Number(process.env.GUERDON_LIVE_SECONDS ?? 60);

const server = new RealServer();
const stage = new Stage();
let shop: RealShop;
let stranger: RealShop;

interface Key {
  key: string;
  kid: string;
  secret: string;
}

beforeAll(async () => {
  if (!isBuilt) return;
  await Promise.all([server.start(), stage.start()]);
  await server.create(names);
  // 220, 240, … 440 euros; the member who looks is the last of ten who can be seen.
  for (const [index, id] of Object.keys(names).slice(1).entries())
    await server.buy(id, 220 + 20 * index);
  await server.buy(me, 250);
  const [here, elsewhere] = [await freePort(), await freePort()];
  const origins = [`http://127.0.0.1:${here}`];
  const { key } = await server.call<Key>("POST", "/keys", { kind: "publishable", origins });
  const signer = await server.call<Key>("POST", "/keys", { kind: "shopper", algorithm: "HS256" });
  shop = new RealShop(server, here, key, signer, names);
  stranger = new RealShop(server, elsewhere, key, signer, names);
  await Promise.all([shop.start(), stranger.start()]);
});
afterAll(async () => {
  if (!isBuilt) return;
  shop?.stop();
  stranger?.stop();
  await stage.stop();
  await server.stop();
});

/** Names and points in the order a reader gets them. */
function rows(page: Page): Promise<string[]> {
  return page.evaluate(() =>
    [...document.querySelector("guerdon-leaderboard")!.shadowRoot!.querySelectorAll(".row")].map(
      (row) => row.querySelector(".name")?.textContent?.trim() ?? "",
    ),
  );
}

const place = (page: Page) => rows(page).then((names) => names.indexOf(myName) + 1);

async function untilPlace(page: Page, wanted: number): Promise<void> {
  await expect.poll(() => place(page), { timeout: 20_000 }).toBe(wanted);
}

async function clean({ page, trouble }: Watched): Promise<void> {
  const { violations, cls } = await seen(page);
  expect({ violations, trouble }).toEqual({ violations: [], trouble: [] });
  expect(cls).toBeLessThanOrEqual(0.01);
}

function look(origin = shop.origin): Promise<Watched> {
  return stage.open(`${origin}/en?as=${me}`, { width: 1280 });
}

test.skipIf(!isBuilt)("the binary holds the widget that was built", async () => {
  const answer = await fetch(`${server.url}/widget/manifest.json`);
  expect(answer.status).toBe(200);
  expect((await answer.json()).files).toEqual([manifest]);
});

test.skipIf(!isBuilt)(
  "an order moves the row, a refund moves it back, a killed server is survived",
  async () => {
    const watched = await look();
    const { page, context } = watched;
    await untilState(page, "live");
    await untilPlace(page, 10);
    const loads = await page.evaluate(() => performance.timeOrigin);
    const { order } = await server.buy(me, 500);
    await untilPlace(page, 1);
    await page.screenshot({ path: `${screenshots}/real-shop-first.png`, fullPage: true });
    await server.refund(order, 500);
    await untilPlace(page, 10);

    await server.kill();
    await untilState(page, "reconnecting");
    expect(await place(page)).toBe(10); // the last rows stay
    await server.start();
    await server.buy(me, 95); // 345 points: before 340, behind 360, 380, 400 and 420
    await untilState(page, "live");
    await untilPlace(page, 5);
    await untilState(page, "live", "guerdon-balance");
    expect(await page.evaluate(() => performance.timeOrigin)).toBe(loads);
    expect(await axe(page)).toEqual([]);
    await clean(watched);
    await context.close();
  },
);

test.skipIf(!isBuilt)("a page of a third origin is refused", async () => {
  const { page, context } = await look(stranger.origin);
  await untilState(page, "error");
  const request = { url: server.url, key: stranger.key };
  const read = ({ url, key }: typeof request) =>
    fetch(`${url}/v1/programs/maison-laurier/boards/laurier`, {
      headers: { Authorization: `Bearer ${key}` },
    }).then(
      (answer) => `status ${answer.status}`,
      () => "refused",
    );
  expect(await page.evaluate(read, request)).toBe("refused");
  const listed = await look();
  await untilState(listed.page, "live");
  expect(await listed.page.evaluate(read, request)).toBe("status 200");
  await listed.context.close();
  await context.close();
});

test.skipIf(!isBuilt)(
  `${liveSeconds} s of a busy board: nothing around it moves, no violation`,
  async () => {
    const watched = await look();
    const { page, context } = watched;
    const frames: { asOf: number; at: number }[] = [];
    page.on("websocket", (socket) =>
      socket.on("framereceived", ({ payload }) => {
        for (const found of String(payload).matchAll(/"as_of":(\d+)/g))
          frames.push({ asOf: Number(found[1]), at: performance.now() });
      }),
    );
    await page.reload();
    await untilState(page, "live");
    // Who stays below the tenth changes nothing that the page shows: no frame comes of it.
    const ids = Object.keys(names).slice(4);
    const waits: number[] = [];
    const end = Date.now() + liveSeconds * 1000;
    for (let i = 0; Date.now() < end; i++) {
      const began = performance.now();
      const { seq } = await server.buy(ids[(i * 7) % ids.length]!, 10 + ((i * 37) % 90));
      const frame = await until("the board saw it", async () =>
        frames.find(({ asOf }) => asOf >= seq),
      );
      waits.push(frame.at - began);
      frames.length = 0;
      await page.waitForTimeout(150);
    }
    waits.sort((a, b) => a - b);
    const at = (part: number) => waits[Math.floor(waits.length * part)]!.toFixed(0);
    console.log(
      `${waits.length} orders, from the post to the browser's frame: p50 ${at(0.5)} ms, p99 ${at(0.99)} ms`,
    );
    const board = await server.call<{ rows: { name: string }[] }>(
      "GET",
      "/boards/laurier?window=week",
    );
    const right = board.rows.map(({ name }) => name);
    await expect.poll(async () => (await rows(page)).slice(0, 9)).toEqual(right.slice(0, 9));
    await clean(watched);
    await context.close();
  },
  (liveSeconds + 60) * 1000,
);
