import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { axe, key, screenshots, seen, Stage } from "./stage.ts";
import { cases } from "./states.ts";

const stage = new Stage();
beforeAll(() => stage.start());
afterAll(() => stage.stop());
beforeEach(() => stage.api.reset());

const looks = (["en", "fr"] as const).flatMap((lang) =>
  (["light", "dark"] as const).flatMap((scheme) =>
    ([320, 1280] as const).map((width) => ({ lang, scheme, width })),
  ),
);
// GUERDON_LOOKS=four: half of them, in which every two values of different kinds still meet.
const isOdd = ({ lang, scheme, width }: (typeof looks)[number]) =>
  (lang === "fr") !== ((scheme === "dark") !== (width === 1280));
const wanted = process.env.GUERDON_LOOKS === "four" ? looks.filter((look) => !isOdd(look)) : looks;

for (const { name, isMember = false, attributes = "", before, reach } of cases) {
  for (const { lang, scheme, width } of wanted) {
    const title = `${name}-${lang}-${scheme}-${width}`;
    test(title, async () => {
      const heading = lang === "fr" ? "Ligue Figuier" : "Fig Tree League";
      const balance = (more: string) =>
        `<p><guerdon-balance server="${stage.api.url}" key="${key}" ${attributes} ${more}></guerdon-balance></p>`;
      stage.put(
        "/",
        lang,
        `${balance("compact")}${balance("")}
        <guerdon-leaderboard server="${stage.api.url}" key="${key}" board="week" heading="${heading}"
          ${attributes}><a href="/board">Ranking</a></guerdon-leaderboard>`,
        isMember,
      );
      before(stage);
      const watched = await stage.open(`${stage.origin}/`, { width, scheme });
      try {
        await reach(stage, watched);
        await watched.page.waitForTimeout(450); // rows have arrived where they travel to
        const { cls, violations } = await seen(watched.page);
        await watched.page.screenshot({ path: `${screenshots}/${title}.png`, fullPage: true });
        const overflow = await watched.page.evaluate(
          () => document.documentElement.scrollWidth - innerWidth,
        );
        expect(violations).toEqual([]);
        expect(cls).toBeLessThanOrEqual(0.01);
        expect(overflow).toBeLessThanOrEqual(0);
        expect(await axe(watched.page)).toEqual([]);
        expect(watched.trouble).toEqual([]);
      } finally {
        await watched.context.close();
      }
    });
  }
}
