import { expect, test } from "vitest";
import * as say from "../src/i18n/en.ts";
import { catalogues } from "../src/i18n/index.ts";
import { Texts } from "../src/texts.ts";

const placeholders = (text: string) => [...new Set(text.match(/\{\w+\}/g))].sort();

test("every language has every text, with the same placeholders", () => {
  const english = Object.values(say);
  expect(english.length).toBeGreaterThan(30);
  expect(new Set(english).size).toBe(english.length);
  for (const [language, catalogue] of Object.entries(catalogues)) {
    if (language === "en") continue; // is its own
    expect(Object.keys(catalogue).sort()).toEqual([...english].sort());
    for (const [text, translated] of Object.entries(catalogue)) {
      expect([text, placeholders(translated)]).toEqual([text, placeholders(text)]);
    }
  }
});

test("French plurals: 0 and 1 are one, a million is many", () => {
  const fr = new Texts("fr");
  expect(fr.plural(say.points, 0)).toBe("0 point");
  expect(fr.plural(say.points, 1)).toBe("1 point");
  expect(fr.plural(say.points, 2480)).toBe("2\u202f480 points");
  expect(fr.plural(say.points, 1_000_000)).toBe("1\u202f000\u202f000 de points");
  expect(fr.plural(say.up, 1_000_000)).toBe("1\u202f000\u202f000 places gagnées");
  expect([1, 2, 21].map((n) => fr.ordinal(n))).toEqual(["1ʳᵉ", "2ᵉ", "21ᵉ"]);
});

test("English plurals, ordinals and large scores", () => {
  const en = new Texts("en-GB");
  expect(en.plural(say.points, 1)).toBe("1 point");
  expect(en.plural(say.points, 0)).toBe("0 points");
  expect([1, 2, 3, 4, 11, 12, 22, 103].map((n) => en.ordinal(n))).toEqual([
    "1st",
    "2nd",
    "3rd",
    "4th",
    "11th",
    "12th",
    "22nd",
    "103rd",
  ]);
  expect(en.number(-1234)).toBe("−1,234");
  expect(en.compact(999_999)).toBe("999,999");
  expect(new Texts("en-US").compact(1_250_000)).toBe("1.3M");
});

test("windows in words", () => {
  const noon = Date.UTC(2026, 10, 16);
  const week = 7 * 86_400_000;
  expect(new Texts("fr").window("2026-W47", noon, noon + week)).toMatch(/^16.+22 novembre$/);
  expect(new Texts("fr").window("2026-11", noon, noon + week)).toBe("novembre 2026");
  expect(new Texts("en").window("all", null, null)).toBe("All time");
  expect(new Texts("fr").left(4 * 86_400_000 + 6 * 3_600_000)).toBe("4\u00a0j 6\u00a0h");
  expect(new Texts("en").left(90_000)).toBe("1\u00a0min");
});

test("a language without texts reads English", () => {
  expect(new Texts("ar").text(say.live)).toBe("Live");
  expect(new Texts("ar").plural(say.points, 3)).toContain("points");
});
