/**
 * A browser, a shop on one port and a server of boards on another. The server is the model of
 * docs/live.md, so that a test can put it into any state.
 */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { chromium, type Browser, type BrowserContext, type Page } from "playwright-core";
import { WebSocketServer } from "ws";
import { Close } from "../../web/shared/src/codes.ts";
import { ModelServer } from "../../web/shared/model/server.ts";

const root = new URL("../../", import.meta.url);
const path = (name: string) => fileURLToPath(new URL(name, root));
const dist = process.env.GUERDON_WEB_DIST ?? path("web/dist");
const axeSource = readFileSync(
  createRequire(path("web/package.json")).resolve("axe-core/axe.min.js"),
  "utf8",
);

export const screenshots = process.env.GUERDON_SCREENSHOTS ?? path("build/web-screenshots");
export const manifest = JSON.parse(readFileSync(`${dist}/manifest.json`, "utf8")).files[0];
export const key = "pk_test_model";
export const widgetPath: string = manifest.path;

function listen(server: Server): Promise<number> {
  return new Promise((resolve) =>
    server.listen(0, "127.0.0.1", () => resolve((server.address() as AddressInfo).port)),
  );
}

export type Manner = "normal" | "mute" | "down";

/** The model server behind real sockets, with the widget's file beside it. */
export class Api {
  model = this.#newModel("e1");
  /** Normal; taking connections without a word; refusing them. */
  manner: Manner = "normal";
  origins: string[] = [];
  port = 0;
  #incarnation = 1;
  readonly #http = createServer((request, response) => {
    if (request.url !== widgetPath) return void response.writeHead(404).end();
    response.writeHead(200, {
      "Content-Type": manifest.type,
      "Access-Control-Allow-Origin": "*",
      "Cross-Origin-Resource-Policy": "cross-origin",
    });
    response.end(readFileSync(`${dist}/${manifest.name}`));
  });

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  #newModel(epoch: string): ModelServer {
    // The shop's page signs real tokens, the test's pages say "member": both are the one member.
    const isToken = (token: string) => token === "member" || token.split(".").length === 3;
    const members = { get: (token: string) => (isToken(token) ? "me" : undefined) };
    const clock = {
      now: () => Date.now(),
      later: (milliseconds: number, action: () => void) => setTimeout(action, milliseconds),
      cancel: (timer: unknown) => clearTimeout(timer as NodeJS.Timeout),
    };
    return new ModelServer({ clock, epoch, keys: [key], members });
  }

  async start(): Promise<void> {
    const sockets = new WebSocketServer({ noServer: true });
    this.#http.on("upgrade", (request, socket, head) => {
      if (this.manner === "down" || request.url !== "/live") return void socket.destroy();
      sockets.handleUpgrade(request, socket, head, (web) => {
        if (this.manner === "mute") return;
        if (!this.origins.includes(request.headers.origin ?? "")) return web.close(Close.refused);
        const session = this.model.accept({
          send: (text) => web.send(text),
          close: (code) => web.close(code),
        });
        web.on("message", (data) => session.receive(String(data)));
        web.on("close", () => session.closed());
      });
    });
    this.port = await listen(this.#http);
  }

  /** As after a SIGKILL: connections break, another process has the same scores and a new epoch. */
  restart(): void {
    const before = this.model;
    this.model = this.#newModel(`e${++this.#incarnation}`);
    this.model.seq = before.seq;
    for (const [channel, board] of before.boards) {
      for (const [id, entry] of board.entries) this.model.board(channel).entries.set(id, entry);
      this.model.board(channel).win = board.win;
    }
    for (const [id, balance] of before.balances) this.model.balances.set(id, balance);
    before.drop(1001);
  }

  /** A fresh server with nothing on its boards. */
  reset(): void {
    this.model.drop(1001);
    this.manner = "normal";
    this.model = this.#newModel(`e${++this.#incarnation}`);
  }

  stop(): void {
    this.model.drop(1001);
    this.#http.close();
    this.#http.closeAllConnections();
  }
}

export interface Watched {
  page: Page;
  context: BrowserContext;
  /** What must stay empty: violations of the CSP, errors, requests to anybody else. */
  trouble: string[];
}

/** Pages of a shop under a strict policy, in one Chromium. */
export class Stage {
  readonly api = new Api();
  /** body of the shop's page, by path */
  readonly pages = new Map<string, string>();
  port = 0;
  #browser!: Browser;
  readonly #shop = createServer((request, response) => {
    const url = new URL(request.url ?? "/", "http://shop");
    if (url.pathname === "/member.js") {
      response.writeHead(200, { "Content-Type": "text/javascript" });
      return void response.end('window.Guerdon = { token: async () => "member" };');
    }
    if (url.pathname === "/page.css") {
      response.writeHead(200, { "Content-Type": "text/css" });
      return void response.end(
        "body{margin:16px;background:light-dark(#f6f6f4,#0e1018);color:light-dark(#171923,#ecedf4);" +
          "color-scheme:light dark;font-family:sans-serif}main{max-width:420px}",
      );
    }
    const body = this.pages.get(url.pathname);
    response.writeHead(body === undefined ? 404 : 200, {
      "Content-Type": "text/html; charset=utf-8",
      "Content-Security-Policy": this.policy,
    });
    response.end(body ?? "");
  });

  /** Where the boards and the widget are. */
  get url(): string {
    return this.api.url;
  }

  get origin(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  get policy(): string {
    const { url } = this;
    return [
      "default-src 'none'",
      `script-src 'self' ${url}`,
      "style-src 'self'",
      `connect-src ${url} ${url.replace("http", "ws")}`,
      "require-trusted-types-for 'script'",
      "base-uri 'none'",
      "form-action 'none'",
    ].join("; ");
  }

  async start(): Promise<void> {
    mkdirSync(screenshots, { recursive: true });
    await this.api.start();
    this.port = await listen(this.#shop);
    this.api.origins = [this.origin];
    this.#browser = await chromium.launch({
      executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
      args: [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
      ],
    });
  }

  async stop(): Promise<void> {
    await this.#browser?.close();
    this.#shop.close();
    this.#shop.closeAllConnections();
    this.api.stop();
  }

  /** A page of the shop with this in its body. */
  put(name: string, lang: string, body: string, isMember: boolean, dir = "ltr"): void {
    const member = isMember ? '<script src="/member.js"></script>' : "";
    this.pages.set(
      name,
      `<!doctype html><html lang="${lang}" dir="${dir}"><head><meta charset="utf-8"><title>Shop</title>
      <meta name="viewport" content="width=device-width"><link rel="stylesheet" href="/page.css">${member}
      <script type="module" src="${this.url}${widgetPath}" integrity="${manifest.integrity}"
        crossorigin="anonymous"></script></head><body><main><h1>Shop</h1>${body}</main></body></html>`,
    );
  }

  async open(
    address: string,
    view: { width: number; scheme?: "light" | "dark"; calm?: boolean; script?: boolean },
  ): Promise<Watched> {
    const context = await this.#browser.newContext({
      viewport: { width: view.width, height: 900 },
      colorScheme: view.scheme ?? "light",
      reducedMotion: view.calm ? "reduce" : "no-preference",
      javaScriptEnabled: view.script ?? true,
      bypassCSP: false,
    });
    const trouble: string[] = [];
    const page = await context.newPage();
    page.on("console", (message) => {
      const isNetwork = /WebSocket connection|ERR_INTERNET|favicon/.test(message.text());
      if (message.type() === "error" && !isNetwork) trouble.push(`console: ${message.text()}`);
    });
    page.on("pageerror", (error) => trouble.push(`error: ${error.message}`));
    page.on("request", (request) => {
      const { hostname } = new URL(request.url());
      if (hostname !== "127.0.0.1") trouble.push(`request: ${request.url()}`);
    });
    await page.addInitScript(() => {
      const seen = { cls: 0, violations: [] as string[], states: {} as Record<string, string> };
      Object.assign(window, { seen });
      document.addEventListener("securitypolicyviolation", (event) =>
        seen.violations.push(`${event.violatedDirective} ${event.blockedURI} ${event.sample}`),
      );
      document.addEventListener("guerdon:state", (event) => {
        const { target, detail } = event as CustomEvent<{ state: string }>;
        seen.states[(target as Element).localName] = detail.state;
      });
      new PerformanceObserver((list) => {
        for (const entry of list.getEntries())
          seen.cls += (entry as unknown as { value: number }).value;
      }).observe({ type: "layout-shift", buffered: true });
    });
    await page.goto(address);
    return { page, context, trouble };
  }
}

interface Seen {
  cls: number;
  /** element → the state it told last */
  states: Record<string, string>;
  violations: string[];
}

/** Layout shift and violations of the policy so far. */
export function seen(page: Page): Promise<Seen> {
  return page.evaluate(() => (window as unknown as { seen: Seen }).seen);
}

/** What axe finds, one line each; evaluated from outside, so that the page's policy stays strict. */
export async function axe(page: Page): Promise<string[]> {
  await page.evaluate(axeSource);
  return page.evaluate(async () => {
    const { axe } = window as unknown as { axe: typeof import("axe-core") };
    const { violations } = await axe.run(document, {
      runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    });
    return violations.map(
      (found) => `${found.id}: ${found.nodes.map((node) => node.target.join(" ")).join(", ")}`,
    );
  });
}

/** Waits until the element says that it is in this state. */
export async function untilState(
  page: Page,
  wanted: string,
  element = "guerdon-leaderboard",
): Promise<void> {
  await page.waitForFunction(
    ([element, wanted]) => (window as unknown as { seen: Seen }).seen.states[element!] === wanted,
    [element, wanted] as const,
    { timeout: 15_000 },
  );
}
