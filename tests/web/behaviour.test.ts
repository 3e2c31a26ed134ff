import { spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { axe, key, screenshots, seen, Stage, untilState, type Watched } from "./stage.ts";
import { channel, fill } from "./states.ts";

const stage = new Stage();
beforeAll(() => stage.start());
afterAll(() => stage.stop());
beforeEach(() => stage.api.reset());

function put(isMember: boolean, attributes = "", dir = "ltr"): void {
  stage.put(
    "/",
    "en",
    `<guerdon-leaderboard server="${stage.api.url}" key="${key}" board="week" ${attributes}>
      <a href="/board">The ranking</a></guerdon-leaderboard><button id="after">After</button>`,
    isMember,
    dir,
  );
}

/** Names in the order a reader gets them. */
function order(page: Page): Promise<string[]> {
  return page.evaluate(() =>
    [...document.querySelector("guerdon-leaderboard")!.shadowRoot!.querySelectorAll(".row")].map(
      (row) => row.querySelector(".name")?.textContent?.trim() ?? "",
    ),
  );
}

async function untilPlace(page: Page, name: string, place: number): Promise<void> {
  await expect.poll(() => order(page).then((names) => names.indexOf(name) + 1)).toBe(place);
}

async function clean({ page, trouble }: Watched): Promise<void> {
  const { violations, cls } = await seen(page);
  expect({ violations, trouble }).toEqual({ violations: [], trouble: [] });
  expect(cls).toBeLessThanOrEqual(0.01);
}

test("an order moves the row, a refund moves it back, a restart is survived", async () => {
  fill(stage, 150);
  put(true);
  const watched = await stage.open(`${stage.origin}/`, { width: 800 });
  const { page, context } = watched;
  await untilPlace(page, "Camille A.", 10);
  stage.api.model.post(channel, "me", 1200);
  await untilPlace(page, "Camille A.", 2);
  stage.api.model.post(channel, "me", 150);
  await untilPlace(page, "Camille A.", 10);
  stage.api.restart();
  stage.api.model.post(channel, "me", 2000);
  await untilState(page, "live");
  await untilPlace(page, "Camille A.", 1);
  await clean(watched);
  await context.close();
});

test("rows travel by transform and the page around them does not shift", async () => {
  fill(stage, 500);
  put(true);
  const watched = await stage.open(`${stage.origin}/`, { width: 800 });
  const { page, context } = watched;
  await untilState(page, "live");
  const ids = ["a1", "a2", "a3", "a4", "a5", "a6", "a7", "b1", "b2", "me"];
  for (let i = 0; i < 60; i++) {
    stage.api.model.post(channel, ids[(i * 7) % ids.length]!, 500 + ((i * 137) % 900));
    await page.waitForTimeout(100);
  }
  const truth = stage.api.model.board(channel).all();
  const place = truth.findIndex((row) => row[1] === "me") + 1;
  await untilPlace(page, "Camille A.", Math.min(10, place));
  await clean(watched);
  await context.close();
});

test("a page of an origin that is not listed is refused and says so", async () => {
  fill(stage);
  put(false);
  const listed = stage.api.origins;
  stage.api.origins = [];
  const { page, context } = await stage.open(`${stage.origin}/`, { width: 800 });
  const warnings: string[] = [];
  page.on("console", (message) => warnings.push(message.text()));
  await page.reload();
  await untilState(page, "error");
  expect(warnings.join()).toContain("4502");
  stage.api.origins = listed;
  await page.getByRole("button", { name: "Try again" }).click();
  await untilState(page, "live");
  await context.close();
});

test("nothing moves under the pointer until it leaves or asks", async () => {
  fill(stage);
  put(false);
  const { page, context } = await stage.open(`${stage.origin}/`, { width: 800 });
  await untilState(page, "live");
  const before = await order(page);
  await page.locator("guerdon-leaderboard .row").nth(3).hover();
  stage.api.model.post(channel, "a9", 5000);
  stage.api.model.post(channel, "a8", 6000);
  await page.getByRole("button", { name: "2 updates, show" }).waitFor();
  expect(await order(page)).toEqual(before);
  await page.getByRole("button", { name: "2 updates, show" }).click();
  await untilPlace(page, "A customer", 1);
  stage.api.model.post(channel, "a1", 9000);
  await page.getByRole("button", { name: "1 update, show" }).waitFor();
  await page.mouse.move(790, 5);
  await untilPlace(page, "Élodie M.", 1);
  await context.close();
});

test("by keyboard: pause, a held update, resume; focus is never lost", async () => {
  fill(stage);
  put(false);
  const { page, context } = await stage.open(`${stage.origin}/`, { width: 800 });
  await untilState(page, "live");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await untilState(page, "paused");
  stage.api.model.post(channel, "a9", 5000);
  await page.getByRole("button", { name: "1 update, show" }).waitFor();
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await untilPlace(page, "محمد ع.", 1);
  const focused = () =>
    page.evaluate(() => document.activeElement?.shadowRoot?.activeElement?.className ?? "");
  expect(await focused()).toBe("pause");
  await page.keyboard.press("Enter");
  await untilState(page, "live");
  await page.keyboard.press("Tab");
  expect(await page.evaluate(() => document.activeElement?.id)).toBe("after");
  await context.close();
});

test("with reduced motion nothing travels", async () => {
  fill(stage);
  put(false);
  const { page, context } = await stage.open(`${stage.origin}/`, { width: 800, calm: true });
  await untilState(page, "live");
  stage.api.model.post(channel, "a9", 5000);
  await untilPlace(page, "محمد ع.", 1);
  const moved = await page.evaluate(() =>
    document
      .querySelector("guerdon-leaderboard")!
      .shadowRoot!.getAnimations()
      .flatMap((animation) => (animation.effect as KeyframeEffect).getKeyframes())
      .some((frame) => "transform" in frame),
  );
  expect(moved).toBe(false);
  await context.close();
});

test("right to left: mirrored, nothing cut off, no violation", async () => {
  fill(stage, 920);
  put(true, "", "rtl");
  const watched = await stage.open(`${stage.origin}/`, { width: 360 });
  const { page, context } = watched;
  await untilState(page, "live");
  const [place, score] = await page.evaluate(() => {
    const root = document.querySelector("guerdon-leaderboard")!.shadowRoot!;
    const left = (selector: string) => root.querySelector(selector)!.getBoundingClientRect().left;
    return [left(".place"), left(".score")];
  });
  expect(place).toBeGreaterThan(score!);
  await page.screenshot({ path: `${screenshots}/right-to-left.png` });
  expect(await axe(page)).toEqual([]);
  await clean(watched);
  await context.close();
});

test("one's own rank is said at most every ten seconds, and then as it is", async () => {
  fill(stage, 150);
  put(true);
  const { page, context } = await stage.open(`${stage.origin}/`, { width: 800 });
  await untilPlace(page, "Camille A.", 10);
  await page.evaluate(() => {
    const told: unknown[] = [];
    Object.assign(window, { told });
    document.addEventListener("guerdon:rank", (event) =>
      told.push({ ...(event as CustomEvent<object>).detail, at: performance.now() }),
    );
  });
  type Told = { rank: number; before: number; at: number };
  const told = () => page.evaluate(() => (window as unknown as { told: Told[] }).told);
  stage.api.model.post(channel, "me", 1000);
  await expect.poll(async () => (await told()).length).toBe(1);
  for (const [score, place] of [
    [1110, 3],
    [2000, 1],
    [1200, 2],
  ] as const) {
    stage.api.model.post(channel, "me", score);
    await untilPlace(page, "Camille A.", place);
  }
  await expect.poll(async () => (await told()).length, { timeout: 12_000 }).toBe(2);
  const [first, second] = await told();
  expect(first).toMatchObject({ rank: 4, before: 13 });
  expect(second).toMatchObject({ rank: 2, before: 4 });
  expect(second!.at - first!.at).toBeGreaterThanOrEqual(9_990);
  await page.getByText("You are now in 2nd place").waitFor({ state: "attached" });
  await context.close();
});

test("who has no known rank of this morning has no movement, who kept it has a dash", async () => {
  fill(stage);
  put(false);
  const { page, context } = await stage.open(`${stage.origin}/`, { width: 800 });
  await untilState(page, "live");
  const movement = (id: string) =>
    page.evaluate((id) => {
      const { shadowRoot } = document.querySelector("guerdon-leaderboard")!;
      return shadowRoot!.querySelector(`[data-id="${id}"] .move`)!.textContent!.trim();
    }, id);
  expect(await movement("b1")).toBe("");
  expect(await movement("a3")).toContain("same place");
  expect(await movement("a1")).toContain("up 1 place");
  await context.close();
});

test("movement is there from 300 px of room and gone below", async () => {
  fill(stage);
  put(false);
  const { page, context } = await stage.open(`${stage.origin}/`, { width: 332 });
  await untilState(page, "live");
  const looks = () =>
    page.evaluate(() => {
      const root = document.querySelector("guerdon-leaderboard")!.shadowRoot!;
      const { clipPath } = getComputedStyle(root.querySelector(".move")!);
      return [root.querySelector(".card")!.clientWidth + 2, clipPath];
    });
  expect(await looks()).toEqual([300, "none"]);
  await page.screenshot({ path: `${screenshots}/movement-300.png` });
  await page.setViewportSize({ width: 331, height: 900 });
  expect(await looks()).toEqual([299, "inset(50%)"]);
  await context.close();
});

test("a new heading is only drawn: no rows are asked for, none go away", async () => {
  fill(stage);
  put(false, 'heading="One"');
  const { page, context } = await stage.open(`${stage.origin}/`, { width: 800 });
  await untilState(page, "live");
  const { snaps } = stage.api.model.counts;
  const seen = await page.evaluate(async () => {
    const board = document.querySelector("guerdon-leaderboard")!;
    const states: string[] = [];
    board.addEventListener("guerdon:state", (event) =>
      states.push((event as CustomEvent<{ state: string }>).detail.state),
    );
    board.setAttribute("heading", "Two");
    board.setAttribute("lang", "fr");
    await new Promise(requestAnimationFrame);
    const { shadowRoot } = board;
    const title = shadowRoot!.querySelector(".title")!.textContent!.trim();
    return { states, title, rows: shadowRoot!.querySelectorAll("[data-id]").length };
  });
  expect(seen).toEqual({ states: [], title: "Two", rows: 10 });
  expect(stage.api.model.counts.snaps).toBe(snaps);
  await context.close();
});

for (const width of [280, 320]) {
  test(`French, ${width} px: under which name one appears is not cut`, async () => {
    fill(stage, 920);
    put(true, 'lang="fr"');
    const { page, context } = await stage.open(`${stage.origin}/`, { width });
    await page.getByText("Vous apparaissez").waitFor();
    const foot = await page.evaluate(() => {
      const root = document.querySelector("guerdon-leaderboard")!.shadowRoot!;
      const words = root.querySelector(".foot bdi")!;
      const [foot, text] = [root.querySelector(".foot")!, words].map((part) =>
        part.getBoundingClientRect(),
      );
      const cut = words.parentElement!.scrollWidth - words.parentElement!.clientWidth;
      const inside = text!.right <= foot!.right && text!.bottom <= foot!.bottom;
      return { words: words.textContent, cut, inside };
    });
    expect(foot.words).toContain("Camille A.");
    expect(foot).toMatchObject({ cut: 0, inside: true });
    await page.screenshot({ path: `${screenshots}/foot-fr-${width}.png` });
    await context.close();
  });
}

test("a misspelt board says so, the other one lives; trying again asks again", async () => {
  fill(stage);
  const board = (name: string) =>
    `<guerdon-leaderboard server="${stage.api.url}" key="${key}" board="${name}"></guerdon-leaderboard>`;
  stage.put("/", "en", board("We ek") + board("week"), false);
  const { page, context } = await stage.open(`${stage.origin}/`, { width: 800 });
  await page.getByText("The ranking is unavailable").waitFor();
  await page.getByText("Élodie M.").waitFor();
  stage.api.model.post("b:We ek", "c1", 70, "Zoé");
  await page.getByRole("button", { name: "Try again" }).click();
  await page.getByText("Zoé").waitFor();
  expect(stage.api.model.counts.connects).toBe(1);
  await context.close();
});

test("a page load asks the shop for one token", async () => {
  fill(stage, 920);
  put(false);
  const { page, context } = await stage.open(`${stage.origin}/`, { width: 800 });
  await page.addInitScript(() => {
    const shown = new Promise((resolve) => addEventListener("pageshow", resolve));
    // Awaited until everybody has heard of `pageshow`.
    const token = async () => {
      calls.count++;
      await shown;
      return new Promise((resolve) => setTimeout(resolve, 0, "member"));
    };
    const calls = { count: 0 };
    Object.assign(window, { calls, Guerdon: { token } });
  });
  await page.reload();
  await page.getByText("Camille A.", { exact: true }).waitFor();
  const { count } = await page.evaluate(
    () => (window as unknown as { calls: { count: number } }).calls,
  );
  expect(count).toBe(1);
  await context.close();
});

test("without scripts the shop's own words stay", async () => {
  put(false);
  const { page, context } = await stage.open(`${stage.origin}/`, { width: 360, script: false });
  expect(await page.getByRole("link", { name: "The ranking" }).isVisible()).toBe(true);
  await context.close();
});

let shop: ChildProcess;
let shopUrl = "";
let folder = "";

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "guerdon-shop-"));
  writeFileSync(join(folder, "members.json"), '[{"id": "ml-001", "name": "Camille Aubry"}]');
  writeFileSync(join(folder, "secret"), "a secret of thirty-two bytes or so");
  const serve = fileURLToPath(new URL("../../web/shop/serve.py", import.meta.url));
  const options = ["--server", stage.api.url, "--key", key, "--board", "week"];
  const token = ["--token-kid", "k1", "--token-secret-file", join(folder, "secret")];
  shop = spawn("/usr/bin/python3", [
    serve,
    ...options,
    ...token,
    "--members",
    join(folder, "members.json"),
  ]);
  shopUrl = await new Promise((resolve, reject) => {
    shop.stdout!.once("data", (text) => resolve(String(text).trim()));
    shop.once("exit", (code) => reject(new Error(`serve.py ended with ${code}`)));
  });
  stage.api.origins.push(new URL(shopUrl).origin);
});

afterAll(() => {
  shop?.kill();
  if (folder) rmSync(folder, { recursive: true });
});

for (const [lang, width, as] of [
  ["fr", 1440, "ml-001"],
  ["fr", 320, "ml-001"],
  ["en", 1280, "guest"],
] as const) {
  test(`the shop of Maison Laurier, ${lang}, ${width} px, as ${as}`, async () => {
    fill(stage, 783);
    const watched = await stage.open(`${shopUrl}${lang}?as=${as}`, { width });
    const { page, context } = watched;
    await untilState(page, "live");
    await page.waitForTimeout(450);
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    expect(overflow).toBeLessThanOrEqual(0);
    await clean(watched); // before the picture, for which the window grows
    await page.screenshot({ path: `${screenshots}/shop-${lang}-${width}.png`, fullPage: true });
    expect(await axe(page)).toEqual([]);
    await context.close();
  });
}
