/**
 * What every Guerdon element shares: attributes, language, the connection, events, drawing.
 * Lit's templates on a plain element: its reactive base class would cost a fifth of the budget.
 */
import { render, type TemplateResult } from "lit/html.js";
import type { LiveClient, Status } from "../../shared/src/live.ts";
import { clientFor, expectsMember, settings } from "./connections.ts";
import { textsFor, type Texts } from "./texts.ts";

export const commonAttributes = [
  "server",
  "key",
  "token",
  "lang",
  "welcome",
  "join-url",
  "earn-url",
];

/** What is followed depends on these; the others are only drawn. */
const following = ["server", "key", "token", "board", "window", "limit"];

export function sheet(...styles: string[]): CSSStyleSheet {
  const made = new CSSStyleSheet();
  made.replaceSync(styles.join(""));
  return made;
}

export abstract class GuerdonElement extends HTMLElement {
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
    this.client = undefined;
  }
}

/** Twice the same module on a page is one element. */
export function define(name: string, element: CustomElementConstructor): void {
  if (!customElements.get(name)) customElements.define(name, element);
}
