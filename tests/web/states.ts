/** Every state of the elements and how to get there; tests, axe and screenshots go through this. */
import type { Page } from "playwright-core";
import { Close } from "../../web/shared/src/codes.ts";
import { untilState, type Stage, type Watched } from "./stage.ts";

export const channel = "b:week";

const names: [id: string, name: string, score: number, from: number | null][] = [
  ["a1", "Élodie M.", 1284, 2],
  ["a2", "Thibault R.", 1197, 1],
  ["a3", "Inès B.", 1105, 3],
  ["a4", "Dr. Maximilien von und zu Hohenlohe-Waldenburg-Schillingsfürst", 968, 6],
  ["a5", "M. Ōkubo", 941, 5],
  ["a6", "Anna K.", 902, 4],
  ["a7", "Hugo D.", 902, 10],
  ["a8", "", 791, 7],
  ["a9", "محمد ع.", 760, 8],
  ["b1", '<img src=x onerror="alert(1)">', 712, null],
  ["b2", "Nadia F.", 700, 9],
  ["b3", "Margaux T.", 203, null],
];

/** A week of the shop; the member has `score`, or is not there. */
export function fill(stage: Stage, score?: number): void {
  const board = stage.api.model.board(channel);
  const day = 86_400_000;
  const starts = Math.floor(Date.now() / day) * day - 2 * day;
  board.win = { id: "2026-W47", starts, ends: starts + 7 * day };
  for (const [id, name, points, from] of names) {
    stage.api.model.post(channel, id, points, name);
    board.entries.get(id)!.from = from;
  }
  const balance = { currency: "points", available: 2480, pending: 97, held: 0, debt: 0 };
  stage.api.model.balances.set("me", [balance]);
  if (score !== undefined) stage.api.model.post(channel, "me", score, "Camille A.");
}

export interface Case {
  name: string;
  isMember?: boolean;
  attributes?: string;
  before(stage: Stage): void;
  /** After the page was opened. */
  reach(stage: Stage, watched: Watched): Promise<void>;
}

const until =
  (state: string) =>
  (_stage: Stage, { page }: Watched) =>
    untilState(page, state);

/** A guest's balance is a guest's in every state of the connection. */
const untilBalance =
  (state: string) =>
  (_stage: Stage, { page }: Watched) =>
    untilState(page, state, "guerdon-balance");

async function loseServer(stage: Stage, page: Page): Promise<void> {
  await untilState(page, "live");
  stage.api.manner = "down";
  stage.api.model.drop(1001);
}

export const cases: Case[] = [
  { name: "loading", before: (stage) => (stage.api.manner = "mute"), reach: until("loading") },
  {
    name: "loading-member",
    isMember: true,
    before: (stage) => (stage.api.manner = "mute"),
    reach: untilBalance("loading"),
  },
  {
    name: "empty",
    before: (stage) => void stage.api.model.board(channel),
    reach: until("empty"),
    attributes: 'earn-url="/earn"',
  },
  {
    name: "guest",
    before: (stage) => fill(stage),
    reach: until("live"),
    attributes: 'join-url="/join" welcome="100"',
  },
  {
    name: "member-in-list",
    isMember: true,
    before: (stage) => fill(stage, 920),
    reach: until("live"),
  },
  {
    name: "member-below",
    isMember: true,
    before: (stage) => fill(stage, 150),
    reach: until("live"),
  },
  {
    name: "paused",
    isMember: true,
    before: (stage) => fill(stage, 150),
    async reach(stage, { page }) {
      await untilState(page, "live");
      await page.locator("guerdon-leaderboard .pause").click();
      stage.api.model.post(channel, "b3", 1500);
      await untilState(page, "paused");
      await page.locator("guerdon-leaderboard .foot button").waitFor();
    },
  },
  {
    name: "reconnecting",
    isMember: true,
    before: (stage) => fill(stage, 920),
    async reach(stage, { page }) {
      await loseServer(stage, page);
      await untilState(page, "reconnecting");
    },
  },
  {
    name: "offline",
    isMember: true,
    before: (stage) => fill(stage, 920),
    async reach(stage, { page, context }) {
      await untilState(page, "live");
      stage.api.manner = "down";
      await context.setOffline(true);
      stage.api.model.drop(1001);
      await untilState(page, "offline");
    },
  },
  {
    name: "error",
    before: (stage) => fill(stage),
    async reach(stage, { page }) {
      await untilState(page, "live");
      stage.api.model.drop(Close.revoked);
      await untilState(page, "error");
    },
  },
  {
    name: "error-member",
    isMember: true,
    before: (stage) => fill(stage, 920),
    async reach(stage, { page }) {
      await untilState(page, "live");
      stage.api.model.drop(Close.revoked);
      await untilState(page, "error");
      await untilState(page, "error", "guerdon-balance");
    },
  },
];
