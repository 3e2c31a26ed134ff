/** Texts, numbers and dates in the reader's language. */
import * as say from "./i18n/en.ts";
import { catalogues } from "./i18n/index.ts";

const categories: Intl.LDMLPluralRule[] = ["zero", "one", "two", "few", "many", "other"];
const compactFrom = 1_000_000;

function fill(text: string, values: Record<string, string>): string {
  return text.replace(/\{(\w+)\}/g, (_, name: string) => values[name] ?? "");
}

export class Texts {
  readonly #catalogue: Record<string, string>;
  readonly #number: Intl.NumberFormat;
  readonly #compact: Intl.NumberFormat;
  readonly #plural: Intl.PluralRules;
  readonly #ordinal: Intl.PluralRules;

  constructor(private readonly locale: string) {
    const [language = ""] = locale.split("-");
    // A language without texts reads English, with English plurals and its own numbers.
    const spoken = language in catalogues ? language : "en";
    this.#catalogue = catalogues[spoken]!;
    this.#number = new Intl.NumberFormat(locale);
    this.#compact = new Intl.NumberFormat(locale, {
      notation: "compact",
      maximumFractionDigits: 1,
    });
    this.#plural = new Intl.PluralRules(spoken);
    this.#ordinal = new Intl.PluralRules(spoken, { type: "ordinal" });
  }

  text(english: string, values: Record<string, string> = {}): string {
    return fill(this.#catalogue[english] ?? english, values);
  }

  plural(english: string, n: number, values: Record<string, string> = {}): string {
    return this.#choose(english, this.#plural, n, values);
  }

  ordinal(n: number): string {
    return this.#choose(say.ordinal, this.#ordinal, n, {});
  }

  #choose(
    english: string,
    rules: Intl.PluralRules,
    n: number,
    values: Record<string, string>,
  ): string {
    const known = rules.resolvedOptions().pluralCategories;
    const place = categories.filter((name) => known.includes(name)).indexOf(rules.select(n));
    const forms = (this.#catalogue[english] ?? english).split("|");
    return fill(forms[place] ?? forms.at(-1)!, { n: this.number(n), ...values });
  }

  number(n: number): string {
    return this.#number.format(n).replace("-", "−");
  }

  /** Other people's large scores; one's own are always in full. */
  compact(n: number): string {
    return Math.abs(n) < compactFrom ? this.number(n) : this.#compact.format(n);
  }

  time(date: Date): string {
    return new Intl.DateTimeFormat(this.locale, { hour: "2-digit", minute: "2-digit" }).format(
      date,
    );
  }

  /** A window in words: 16–22 November, November 2026. */
  window(id: string, starts: number | null, ends: number | null): string {
    if (starts === null || ends === null) return this.text(say.allTime);
    const middle = new Date((starts + ends) / 2);
    if (!id.includes("W")) {
      const month = new Intl.DateTimeFormat(this.locale, { month: "long", year: "numeric" });
      return month.format(middle);
    }
    // Noon of the first and the last day, so that the reader's zone does not change the dates.
    const format = new Intl.DateTimeFormat(this.locale, { day: "numeric", month: "long" });
    return format.formatRange(new Date(starts + 43_200_000), new Date(ends - 43_200_000));
  }

  /** What is left of a window: 4 d 6 h, 3 h 20 min, 5 min. */
  left(milliseconds: number): string {
    const minutes = Math.max(1, Math.floor(milliseconds / 60_000));
    const [days, hours] = [Math.floor(minutes / 1440), Math.floor(minutes / 60) % 24];
    const part = (n: number, unit: string) => `${this.number(n)}\u00a0${this.text(unit)}`;
    if (days > 0) return `${part(days, say.day)} ${part(hours, say.hour)}`;
    const rest = part(minutes % 60, say.minute);
    return hours > 0 ? `${part(hours, say.hour)} ${rest}` : rest;
  }
}

const known = new Map<string, Texts>();

export function textsFor(locale: string): Texts {
  let texts = known.get(locale);
  if (!texts) {
    try {
      // Plain English is not American: dates as 16 November.
      texts = new Texts(locale === "en" ? "en-GB" : locale);
    } catch {
      texts = new Texts("en"); // not a language tag
    }
    known.set(locale, texts);
  }
  return texts;
}
