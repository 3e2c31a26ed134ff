/** <guerdon-balance>: the member's points, as a card or, with `compact`, as one line. */
import { html, nothing, type TemplateResult } from "lit/html.js";
import * as say from "./i18n/en.ts";
import type { Balance, Me, WireError } from "../../shared/src/frames.ts";
import type { LiveClient } from "../../shared/src/live.ts";
import { define, GuerdonElement, sheet } from "./element.ts";
import * as icons from "./icons.ts";
import { icon } from "./icons.ts";
import { tokens } from "./tokens.ts";

const countFor = 700;

type State = "loading" | "live" | "reconnecting" | "offline" | "error" | "guest";

const css = String.raw;

const balanceStyles = css`
  :host([compact]) {
    display: inline-block;
  }
  .card {
    display: flex;
    flex-direction: column;
    justify-content: center;
    gap: 2px;
    min-height: 148px;
    padding: 18px 20px;
    border-radius: calc(var(--g-radius) * 1.33);
    background: linear-gradient(158deg, var(--g-hero-1), var(--g-hero-2));
    color: #fff;
    font-size: 0.8125rem;
  }
  .label {
    font-size: 0.875rem;
  }
  .figure {
    font-size: 2.75rem;
    line-height: 1.14;
    font-weight: 600;
    letter-spacing: -0.03em;
    min-height: 50px;
  }
  .line {
    display: flex;
    flex-wrap: wrap;
    gap: 4px 12px;
    min-height: 24px;
    align-items: center;
  }
  .line > span {
    display: inline-flex;
    gap: 6px;
    align-items: center;
  }
  .card .link,
  .card a {
    color: #fff;
    text-decoration: underline;
  }
  .card :focus-visible {
    outline-color: #fff;
  }
  .bone {
    width: 120px;
    height: 32px;
    margin: 9px 0;
    border-radius: 6px;
    background: rgb(255 255 255 / 18%);
  }
  .pill {
    display: inline-flex;
    gap: 8px;
    align-items: center;
    min-width: 120px;
    min-height: 40px;
    padding: 2px 16px;
    border-radius: 20px;
    background: var(--g-accent);
    color: var(--g-on-accent);
    font-weight: 600;
  }
  .pill a {
    color: inherit;
    text-decoration: none;
  }
  @media (forced-colors: active) {
    .card,
    .pill {
      border: 1px solid;
    }
  }
`;

const styles = sheet(tokens, balanceStyles);

export class GuerdonBalance extends GuerdonElement {
  #me: Me | undefined;
  /** What is drawn while the number counts up to what it is. */
  #counted: number | undefined;
  #failure: WireError | undefined;
  #frame = 0;

  constructor() {
    super(styles);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#stopCounting();
  }

  override attributeChangedCallback(name: string, before: string | null, now: string | null): void {
    if (before !== now) this.#stopCounting(); // perhaps of another currency
    super.attributeChangedCallback(name, before, now);
  }

  protected override follow(client: LiveClient): (() => void)[] {
    this.#me = this.#failure = undefined;
    if (!this.isMember) return [];
    const failed = (error: WireError) => {
      this.#failure = error;
      this.redraw();
    };
    return [client.watchMe({ me: (me) => this.#arrived(me), failed })];
  }

  #arrived(me: Me): void {
    const before = this.#balance?.available;
    this.#me = me;
    this.seenAt = new Date();
    const now = this.#balance?.available ?? 0;
    this.redraw();
    if (before !== undefined && before !== now) this.#count(before, now);
    if (before !== now) this.tell("balance", { available: now });
  }

  #count(from: number, to: number): void {
    this.#stopCounting();
    if (to < from || matchMedia("(prefers-reduced-motion: reduce)").matches) return;
    const started = performance.now();
    const step = (now: number) => {
      const part = Math.min(1, Math.max(0, now - started) / countFor);
      this.#counted = Math.round(from + (to - from) * (1 - (1 - part) ** 3));
      this.redraw();
      if (part < 1) this.#frame = requestAnimationFrame(step);
      else this.#stopCounting();
    };
    this.#frame = requestAnimationFrame(step);
  }

  #stopCounting(): void {
    cancelAnimationFrame(this.#frame);
    this.#counted = undefined;
  }

  get #figure(): number {
    return this.#counted ?? this.#balance?.available ?? 0;
  }

  get #balance(): Balance | undefined {
    const all = this.#me?.bal;
    const wanted = this.value("currency");
    return wanted ? all?.find(({ currency }) => currency === wanted) : all?.[0];
  }

  protected override stateName(): State {
    const { phase } = this.status;
    if (!this.isMember || (this.#failure && !this.#me)) return "guest";
    if (phase === "stopped") return "error";
    if (!this.#me) return phase === "offline" ? "offline" : "loading";
    return phase === "live" ? "live" : phase === "offline" ? "offline" : "reconnecting";
  }

  protected override template(): TemplateResult {
    return this.hasAttribute("compact") ? this.#pill() : this.#card();
  }

  #pill(): TemplateResult {
    const state = this.stateName();
    const texts = this.texts;
    let words = "…";
    if (this.#balance) words = texts.plural(say.points, this.#figure);
    else if (state === "guest") words = this.#welcome();
    else if (state === "error" || state === "offline") words = "–";
    const inside =
      state === "guest" && this.value("join-url")
        ? html`<a href=${this.value("join-url")}>${words}</a>`
        : words;
    return html`<span class="pill" part="card">${icons.coin()}<span>${inside}</span></span>`;
  }

  #welcome(): string {
    const texts = this.texts;
    const welcome = this.number("welcome");
    return welcome ? texts.plural(say.guest, welcome) : texts.text(say.guestBalance);
  }

  #card(): TemplateResult {
    const state = this.stateName();
    if (state === "guest") return this.#guest();
    const texts = this.texts;
    const title = texts.text(state === "error" ? say.balanceError : say.available);
    const known = this.#balance || this.#me;
    return html`<section class="card" part="card" aria-labelledby="label">
      <div class="label" id="label">${title}</div>
      ${
        known
          ? html`<div class="figure" part="points">${texts.number(this.#figure)}</div>`
          : html`<div class="figure" aria-busy=${state === "loading"}>
              ${state === "loading" ? html`<div class="bone"></div>` : "–"}
            </div>`
      }
      <div class="line">${this.#line(state)}</div>
    </section>`;
  }

  #line(state: State): unknown {
    const texts = this.texts;
    if (state === "error") return html`<span>${texts.text(say.safe)}</span>${this.retry()}`;
    if (state === "offline") return this.offline();
    if (state === "reconnecting") {
      return html`<span>${icon(icons.again)}${texts.text(say.reconnecting)}</span>`;
    }
    const balance = this.#balance;
    if (!balance) return nothing;
    const pending = balance.pending > 0 ? texts.plural(say.pending, balance.pending) : "";
    const owed = balance.debt > 0 ? texts.plural(say.owed, balance.debt) : "";
    return html`${pending ? html`<span>${icon(icons.clock)}${pending}</span>` : nothing}${
      owed ? html`<span>${owed}</span>` : nothing
    }`;
  }

  #guest(): TemplateResult {
    return html`<section class="card" part="card" aria-labelledby="label">
      <div class="label" id="label">${icon(icons.gift)} ${this.#welcome()}</div>
      <slot name="guest"></slot>
      ${
        this.value("join-url")
          ? html`<div class="line">
              <a href=${this.value("join-url")}>${this.texts.text(say.join)}</a>
            </div>`
          : nothing
      }
    </section>`;
  }
}

define("guerdon-balance", GuerdonBalance);

declare global {
  interface HTMLElementTagNameMap {
    "guerdon-balance": GuerdonBalance;
  }
}
