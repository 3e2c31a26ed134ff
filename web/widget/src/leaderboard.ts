/** <guerdon-leaderboard>: a board that moves. */
import { html, nothing, type TemplateResult } from "lit/html.js";
import * as say from "./i18n/en.ts";
import type { Board, Row } from "../../shared/src/board.ts";
import { ErrorCode } from "../../shared/src/codes.ts";
import type { Me, Standing, WireError } from "../../shared/src/frames.ts";
import type { LiveClient } from "../../shared/src/live.ts";
import { define, GuerdonElement, sheet } from "./element.ts";
import * as icons from "./icons.ts";
import { icon } from "./icons.ts";
import { leaderboardStyles } from "./leaderboard.css.ts";
import { tokens } from "./tokens.ts";

const styles = sheet(tokens, leaderboardStyles);
const rowHeight = 50;
const myRowHeight = 62;
const cutGap = 6;
const calmFor = 500;
const moveFor = 350;
const easing = "cubic-bezier(.2,0,0,1)";
const mostMoves = 20;
const announceEvery = 10_000;

type State = "loading" | "empty" | "live" | "paused" | "reconnecting" | "offline" | "error";

/** One line as it is drawn. */
interface Line {
  row: Row;
  mine: boolean;
  y: number;
}

/** What a redraw shows; new frames wait beside it while the list is held. */
interface View {
  board: Board;
  me: Me | undefined;
}

export class GuerdonLeaderboard extends GuerdonElement {
  #shown: View | undefined;
  #newest: View | undefined;
  #me: Me | undefined;
  #isInside = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #minute: ReturnType<typeof setInterval> | undefined;
  #drawnAt = 0;
  #places = new Map<string, number>();
  #announced = { at: -announceEvery, rank: 0, text: "" };
  #announcing: ReturnType<typeof setTimeout> | undefined;

  #held = 0;
  #isPaused = false;
  #failure: WireError | undefined;

  constructor() {
    super(styles);
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.#minute = setInterval(this.redraw, 60_000);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    clearInterval(this.#minute);
    clearTimeout(this.#timer);
    clearTimeout(this.#announcing);
    this.#timer = undefined;
  }

  // --- following

  get #channel(): string {
    const window = this.value("window");
    return `b:${this.#board}${window ? `@${window}` : ""}`;
  }

  get #board(): string {
    return this.value("board") ?? "all";
  }

  /** `place` (equal scores share one) or `rank`. */
  get #ranking(): "place" | "rank" {
    return this.getAttribute("ranking") === "rank" ? "rank" : "place";
  }

  get #limit(): number {
    return Math.min(100, Math.max(1, this.number("limit") ?? 10));
  }

  protected override follow(client: LiveClient): (() => void)[] {
    this.#newest = this.#shown = this.#failure = this.#me = undefined;
    this.#announced.rank = 0;
    this.#places.clear();
    const failed = (error: WireError) => {
      if (error.code === ErrorCode.notAllowed) return;
      this.#failure = error;
      this.redraw();
      this.tell("error", { code: error.code });
    };
    const ends = [
      client.watchBoard(this.#channel, this.#limit, {
        board: (board) => this.#arrived({ board, me: this.#me }),
        failed,
      }),
    ];
    if (this.isMember) {
      const me = (me: Me) => {
        this.#me = me;
        if (this.#newest) this.#arrived({ ...this.#newest, me });
      };
      ends.push(client.watchMe({ me, failed }));
    }
    return ends;
  }

  #arrived(view: View): void {
    const isFirst = !this.#newest;
    const moved = this.#newest?.board !== view.board;
    this.seenAt = new Date();
    this.#failure = undefined;
    this.#newest = view;
    if (isFirst) this.tell("ready", { board: this.#board });
    if (this.#shown && (this.#isPaused || this.#isInside)) {
      if (moved) this.#held++;
      this.redraw();
    } else {
      this.#schedule();
    }
  }

  /** At most one redraw every 500 ms while many frames arrive; the first one at once. */
  #schedule(): void {
    if (this.#timer !== undefined) return;
    const wait = this.#shown ? Math.max(0, this.#drawnAt + calmFor - performance.now()) : 0;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      if (!this.#shown || !(this.#isPaused || this.#isInside)) this.#show();
    }, wait);
  }

  #show(): void {
    this.#drawnAt = performance.now();
    this.#held = 0;
    this.#shown = this.#newest;
    this.#announce();
    this.redraw();
  }

  /** The button that was pressed goes away: its focus needs a new home. */
  #showHeld(): void {
    const zone = this.root.querySelector(".zone");
    this.#isInside = zone?.matches(":hover") ?? false;
    this.root.querySelector<HTMLElement>(".pause")?.focus();
    this.#show();
  }

  #release(): void {
    if (!this.#isPaused && !this.#isInside && this.#held > 0) this.#show();
  }

  readonly #enter = (event: Event): void => {
    if (event instanceof PointerEvent && event.pointerType === "touch") return;
    this.#isInside = true;
  };

  readonly #exit = (event: FocusEvent | PointerEvent): void => {
    const zone = event.currentTarget as HTMLElement;
    const focused = this.root.activeElement;
    const goesTo = event instanceof FocusEvent ? (event.relatedTarget as Node | null) : focused;
    const isUnderPointer = event.type === "focusout" && zone.matches(":hover");
    this.#isInside = isUnderPointer || (goesTo ? zone.contains(goesTo) : false);
    this.#release();
  };

  #togglePause(): void {
    this.#isPaused = !this.#isPaused;
    if (this.#isPaused) this.redraw();
    else this.#show();
  }

  // --- what to draw

  get #state(): State {
    const { phase } = this.status;
    if (phase === "stopped" || this.#failure) return "error";
    if (!this.#shown) return phase === "offline" ? "offline" : "loading";
    if (phase === "offline") return "offline";
    if (phase !== "live") return "reconnecting";
    if (this.#isPaused) return "paused";
    return this.#shown.board.rows.length === 0 ? "empty" : "live";
  }

  protected override stateName(): string {
    return this.#state;
  }

  get #standing(): Standing | undefined {
    const standing = this.#shown?.me?.boards[this.#channel];
    return standing?.win === this.#shown?.board.win.id ? standing : undefined;
  }

  get #height(): number {
    return this.#limit * rowHeight + (this.isMember ? myRowHeight - rowHeight + 2 * cutGap : 0);
  }

  /** The first rows; the last of them is mine if I am further down. */
  #lines(): Line[] {
    const { board, me } = this.#shown!;
    const mine = this.#standing;
    let rows: Row[] = board.rows.slice(0, this.#limit);
    if (mine && !rows.some((row) => row.id === mine.id)) {
      const known = board.rows.find((row) => row.id === mine.id);
      const { id, rank, place, score } = mine;
      const own = known ?? { id, rank, place, score, name: me!.name ?? "", from: null };
      rows = [...rows.slice(0, this.#limit - 1), own];
    }
    let y = 0;
    return rows.map((row, index) => {
      const isMine = row.id === mine?.id;
      if (isMine && row.rank !== index + 1) y += cutGap;
      const line = { row, mine: isMine, y };
      y += isMine ? myRowHeight : rowHeight;
      return line;
    });
  }

  /**
   * My own rank, politely: not more often than every ten seconds, and then what is true at the end
   * of them.
   */
  #announce(): void {
    clearTimeout(this.#announcing);
    const standing = this.#standing;
    const { at, rank: before } = this.#announced;
    if (!standing || standing.rank === before) return;
    const { rank } = standing;
    const now = performance.now();
    const wait = at + announceEvery - now;
    if (before === 0) {
      this.#announced.rank = rank;
    } else if (wait > 0) {
      this.#announcing = setTimeout(() => this.#announce(), wait);
    } else {
      const place = this.texts.ordinal(standing[this.#ranking]);
      this.#announced = { at: now, rank, text: this.texts.text(say.moved, { place }) };
      this.tell("rank", { rank, before });
      this.redraw();
    }
  }

  protected override drawn(): void {
    const list = this.root.querySelector<HTMLElement>(".rows");
    list?.style.setProperty("--height", `${this.#height}px`);
    this.#placeRows();
  }

  /** Sets where every row is and lets it travel from where it was. */
  #placeRows(): void {
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const before = this.#places;
    this.#places = new Map();
    let moves = 0;
    for (const item of this.root.querySelectorAll<HTMLElement>("[data-y]")) {
      const y = Number(item.dataset.y);
      const id = item.dataset.id ?? "";
      item.style.setProperty("--y", `${y}px`);
      if (!id) continue;
      const from = before.get(id);
      this.#places.set(id, y);
      if (before.size === 0 || from === y) continue;
      if (calm) item.animate([{ backgroundColor: "var(--g-accent-soft)" }, {}], 1_000);
      else if (++moves <= mostMoves) {
        const transform = `translateY(${from ?? this.#height}px)`;
        const zIndex = from! < y ? 1 : 3; // who rises passes above
        item.animate([{ transform, zIndex }, { zIndex }], { duration: moveFor, easing });
      }
    }
  }

  // --- templates

  protected override template(): TemplateResult {
    const state = this.#state;
    const title = this.value("heading") ?? this.texts.text(say.title);
    return html`<section class="card" part="card" aria-labelledby="title">
      <header>
        <div class="title" part="title" id="title" role="heading" aria-level="2" dir="auto">
          <slot name="title">${title}</slot>
        </div>
        ${this.#pauseButton()} ${this.#statusLine(state)}
      </header>
      <div
        class="zone"
        @pointerenter=${this.#enter}
        @pointerleave=${this.#exit}
        @focusin=${this.#enter}
        @focusout=${this.#exit}
      >
        ${this.#body(state)} ${this.#foot(state)}
      </div>
      <div class="hidden" role="status">${this.#announced.text}</div>
    </section>`;
  }

  #pauseButton(): TemplateResult {
    const label = this.texts.text(this.#isPaused ? say.resume : say.pause);
    return html`<button
      class="pause"
      part="button"
      type="button"
      title=${label}
      aria-label=${label}
      @click=${this.#togglePause}
    >
      ${icon(this.#isPaused ? icons.play : icons.pause)}
    </button>`;
  }

  #caption(): TemplateResult | typeof nothing {
    if (!this.#shown) return nothing;
    const { id, starts, ends } = this.#shown.board.win;
    const left = ends === null ? 0 : ends - Date.now();
    const time = left > 0 ? this.texts.text(say.ends, { t: this.texts.left(left) }) : "";
    return html`<span class=${time && "dates"}
        >${this.texts.window(id, starts, ends)}${time && " ·"}</span
      >
      <span class="ends">${time}</span>`;
  }

  #statusLine(state: State): TemplateResult {
    if (state === "offline") {
      return html`<div class="state wide offline" part="status">${this.offline()}</div>`;
    }
    return html`<div class="caption">${this.#caption()}</div>
      <div class="state ${state === "empty" ? "live" : state}" part="status">
        ${this.#stateWords(state)}
      </div>`;
  }

  #stateWords(state: State): TemplateResult | typeof nothing {
    const texts = this.texts;
    switch (state) {
      case "live":
      case "empty":
        return html`<span class="dot"></span>${texts.text(say.live)}`;
      case "paused":
        return html`${icon(icons.pause)}${texts.text(say.paused)}`;
      case "reconnecting":
        return html`${icon(icons.again)}${texts.text(say.reconnecting)}`;
      case "loading":
        return html`${texts.text(say.loading)}`;
      default:
        return nothing;
    }
  }

  #body(state: State): TemplateResult {
    if (state === "error") return this.#error();
    if (!this.#shown) return this.#bones();
    if (this.#shown.board.rows.length === 0) return this.#empty();
    const lines = this.#lines();
    const cut = lines.find((line, index) => line.mine && line.row.rank !== index + 1);
    return html`<ol class="rows" role="list" aria-labelledby="title">
      ${lines.map((line) => this.#row(line))}
      ${
        cut ? html`<li class="cut" role="presentation" data-y=${cut.y - cutGap - 1}></li>` : nothing
      }
    </ol>`;
  }

  #row({ row, mine, y }: Line): TemplateResult {
    const texts = this.texts;
    const name = row.name || (mine ? "" : texts.text(say.nameless));
    const score =
      mine && row.score < 10_000_000 ? texts.number(row.score) : texts.compact(row.score);
    const shown = row[this.#ranking];
    return html`<li
      class="row ${mine ? "mine" : ""}"
      part=${mine ? "row row-me" : "row"}
      data-id=${row.id}
      data-y=${y}
      aria-current=${mine ? "true" : nothing}
    >
      ${this.#place(shown)} ${this.#movement(row)}
      <span class="avatar" aria-hidden="true">${initial(name || texts.text(say.you))}</span>
      <span>
        <span class="who">
          ${
            name
              ? html`<span class="name" title=${name} dir="auto"><bdi>${name}</bdi></span>`
              : nothing
          }
          ${mine ? html`<span class="tag">${texts.text(say.you)}</span>` : nothing}
        </span>
        ${mine ? this.#gap() : nothing}
      </span>
      <span
        class="score"
        title=${score === texts.number(row.score) ? nothing : texts.number(row.score)}
      >
        <span aria-hidden="true">${score}</span>
        <span class="hidden">${texts.plural(say.points, row.score)}</span>
      </span>
    </li>`;
  }

  #place(place: number): TemplateResult {
    if (place <= 3) {
      return html`<span class="place p${place}">${icons.wreath()}<b>${place}</b></span>`;
    }
    return html`<span class="place">${this.texts.number(place)}</span>`;
  }

  #movement({ from, rank }: Row): TemplateResult {
    if (from === null) return html`<span class="move"></span>`;
    const gained = from - rank;
    if (gained === 0) {
      return html`<span class="move"
        ><span aria-hidden="true">–</span
        ><span class="hidden">${this.texts.text(say.same)}</span></span
      >`;
    }
    const rose = gained > 0;
    const words = this.texts.plural(rose ? say.up : say.down, Math.abs(gained));
    return html`<span class="move ${rose ? "rose" : "fell"}"
      >${icon(rose ? icons.up : icons.down)}<span aria-hidden="true"
        >${this.texts.number(Math.abs(gained))}</span
      ><span class="hidden">${words}</span></span
    >`;
  }

  #gap(): TemplateResult | typeof nothing {
    const next = this.#standing?.next;
    if (!next) return nothing;
    const place = this.texts.ordinal(next.place);
    return html`<span class="gap"
      ><bdi>${this.texts.plural(say.gap, next.points, { place })}</bdi></span
    >`;
  }

  #foot(state: State): TemplateResult {
    const texts = this.texts;
    if (this.#held > 0) {
      return html`<div class="foot">
        <button class="link" type="button" @click=${this.#showHeld}>
          ${texts.plural(say.held, this.#held)}
        </button>
      </div>`;
    }
    const total = this.#shown?.board.total ?? 0;
    const members = total > 0 ? texts.plural(say.members, total) : "";
    if (state === "error" || state === "loading") return html`<div class="foot"></div>`;
    if (!this.isMember) return this.#guestFoot(members);
    const name = this.#shown?.me?.name;
    const alias = name ? texts.text(say.alias, { name }) : members;
    return html`<div class="foot">
      <span class="words"
        >${name ? icon(icons.eye) : nothing}<span title=${alias}><bdi>${alias}</bdi></span></span
      >
    </div>`;
  }

  #guestFoot(members: string): TemplateResult {
    const texts = this.texts;
    const sum = this.number("welcome");
    const welcome = sum ? texts.plural(say.guest, sum) : members;
    const url = this.value("join-url");
    return html`<div class="foot">
      <span class="words"><span title=${welcome}>${welcome}</span></span>
      ${url ? html`<a class="link" href=${url}>${texts.text(say.join)}</a>` : nothing}
    </div>`;
  }

  #bones(): TemplateResult {
    const heights = Array.from({ length: this.#limit }, (_, index) => index * rowHeight);
    return html`<div class="rows" aria-busy="true">
      ${heights.map(
        (y) =>
          html`<div class="row" data-y=${y}>
            <span></span><span class="move"></span><i class="avatar"></i><i></i><i>00000</i>
          </div>`,
      )}
    </div>`;
  }

  #empty(): TemplateResult {
    const texts = this.texts;
    return html`<div class="rows">
      <div class="message">
        <span class="badge">${icon(icons.leaf)}</span>
        <slot name="empty">
          <strong>${texts.text(say.empty)}</strong>
          <span>${texts.text(say.emptyHint)}</span>
        </slot>
        ${
          this.value("earn-url")
            ? html`<a class="primary" part="button" href=${this.value("earn-url")}
                >${texts.text(say.earn)}</a
              >`
            : nothing
        }
      </div>
    </div>`;
  }

  #error(): TemplateResult {
    const texts = this.texts;
    return html`<div class="rows">
      <div class="message" role="status">
        <span class="badge">${icon(icons.warning)}</span>
        <strong>${texts.text(say.error)}</strong>
        <span>${texts.text(say.safe)}</span>
        <slot></slot>
        <button class="primary" part="button" type="button" @click=${this.refresh}>
          ${texts.text(say.retry)}
        </button>
      </div>
    </div>`;
  }
}

function initial(name: string): string {
  return [...name.trim()][0]?.toLocaleUpperCase() ?? "–";
}

define("guerdon-leaderboard", GuerdonLeaderboard);

declare global {
  interface HTMLElementTagNameMap {
    "guerdon-leaderboard": GuerdonLeaderboard;
  }
}
