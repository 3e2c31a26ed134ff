/** Against a real server: GUERDON_URL, GUERDON_KEY, and GUERDON_SHOP_PORT, whose origin the key lists. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { axe, seen, Stage, untilState } from "./stage.ts";

const server = process.env.GUERDON_URL;
const key = process.env.GUERDON_KEY ?? "";
const stage = new Stage(server, Number(process.env.GUERDON_SHOP_PORT ?? 0));

beforeAll(async () => {
  if (server) await stage.start();
});
afterAll(async () => {
  if (server) await stage.stop();
});

test.skipIf(!server)(
  "the board of a real server is live in a page of a listed origin",
  async () => {
    const board = process.env.GUERDON_BOARD ?? "all";
    const element = `<guerdon-leaderboard server="${server}" key="${key}" board="${board}"></guerdon-leaderboard>`;
    stage.put("/", "en", element, false);
    const { page, context, trouble } = await stage.open(`${stage.origin}/`, { width: 800 });
    await untilState(page, "live");
    const { violations, cls } = await seen(page);
    expect({ violations, trouble }).toEqual({ violations: [], trouble: [] });
    expect(cls).toBeLessThanOrEqual(0.01);
    expect(await axe(page)).toEqual([]);
    await context.close();
  },
);
