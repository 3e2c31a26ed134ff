/**
 * What every Guerdon element shares: attributes, language, the connection, events, drawing.
 * Lit's templates on a plain element: its reactive base class would cost a fifth of the budget.
 */
import { html, render, type TemplateResult } from "lit/html.js";
import type { LiveClient, Status } from "../../shared/src/live.ts";
import { clientFor, expectsMember, settings } from "./connections.ts";
import * as say from "./i18n/en.ts";
import { icon, offline } from "./icons.ts";
import { textsFor, type Texts } from "./texts.ts";

/** What is followed depends on these. */
const following = ["server", "key", "token", "board", "window", "limit"];
/** The others are only drawn. */
const drawing = "lang welcome join-url earn-url heading ranking currency compact".split(" ");

export function sheet(...styles: string[]): CSSStyleSheet {
  const made = new CSSStyleSheet();
  made.replaceSync(styles.join(""));
  return made;
}

export abstract class GuerdonElement extends HTMLElement {
  static readonly observedAttributes = [...following, ...drawing];

  protected readonly root = this.attachShadow({ mode: "open" });
  protected status: Status = { phase: "connecting" };
  /** When the last frame of this element came. */
  protected seenAt: Date | undefined;
  protected client: LiveClient | undefined;
  #ends: (() => void)[] = [];
  #isQueued = false;
  #said = "";

  constructor(styles: CSSStyleSheet) {
    super();
    this.root.adoptedStyleSheets = [styles];
  }

  protected get texts(): Texts {
    const page = this.closest<HTMLElement>("[lang]")?.lang;
    return textsFor(this.lang || settings().lang || page || "en");
  }

  protected get isMember(): boolean {
    return expectsMember(this.getAttribute("token"));
  }

  /** An attribute's value, or nothing for an empty one. */
  protected value(name: string): string | undefined {
    return this.getAttribute(name) || undefined;
  }

  protected number(name: string): number | undefined {
    return Math.trunc(Number(this.getAttribute(name))) || undefined;
  }

  /** Tries again at once. */
  refresh(): void {
    this.client?.retry();
  }

  connectedCallback(): void {
    this.redraw();
  }

  disconnectedCallback(): void {
    this.#leave();
  }

  attributeChangedCallback(name: string, before: string | null, now: string | null): void {
    if (before === now || !this.client) return;
    if (following.includes(name)) this.#leave();
    this.redraw();
  }

  /** Joins channels; returns what ends that. */
  protected abstract follow(client: LiveClient): (() => void)[];
  protected abstract stateName(): string;
  protected abstract template(): TemplateResult;
  /** After the template was drawn. */
  protected drawn(): void {}

  protected tell(name: string, detail: object): void {
    if (name === "error") console.warn("guerdon", detail); // docs/live.md lists the codes
    const event = new CustomEvent(`guerdon:${name}`, { detail, bubbles: true, composed: true });
    this.dispatchEvent(event);
  }

  protected readonly redraw = (): void => {
    if (this.#isQueued) return;
    this.#isQueued = true;
    queueMicrotask(() => {
      this.#isQueued = false;
      if (this.isConnected) this.#draw();
    });
  };

  protected retry(): TemplateResult {
    return html`<button class="link" type="button" @click=${this.refresh}>
      ${this.texts.text(say.retry)}
    </button>`;
  }

  /** Since when what is shown is old, and a button that tries again. */
  protected offline(): TemplateResult {
    const time = this.seenAt && this.texts.time(this.seenAt);
    const words = time ? this.texts.text(say.offline, { time }) : this.texts.text(say.offlineNever);
    return html`<span>${icon(offline)}${words}</span>${this.retry()}`;
  }

  #draw(): void {
    if (!this.client) this.#follow();
    render(this.template(), this.root, { host: this });
    this.drawn();
    const state = this.stateName();
    if (state !== this.#said) this.tell("state", { state });
    this.#said = state;
  }

  #follow(): void {
    this.client = clientFor(this.value("server"), this.value("key"), this.value("token"));
    const onStatus = (status: Status) => {
      this.status = status;
      if (status.phase === "stopped") this.tell("error", { code: status.code });
      this.redraw();
    };
    this.#ends = [this.client.onStatus(onStatus), ...this.follow(this.client)];
  }

  #leave(): void {
    for (const end of this.#ends) end();
    this.#ends = [];
    this.client = this.seenAt = undefined;
  }
}

/** Twice the same module on a page is one element. */
export function define(name: string, element: CustomElementConstructor): void {
  if (!customElements.get(name)) customElements.define(name, element);
}
