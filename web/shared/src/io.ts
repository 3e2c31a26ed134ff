/** The world outside the live client, so that tests can be without sockets and clocks. */

/** What the client needs of a WebSocket. */
export interface Socket {
  send(text: string): void;
  close(code: number): void;
}

export interface SocketEvents {
  opened(): void;
  received(text: string): void;
  closed(code: number): void;
}

export interface Io {
  open(url: string, events: SocketEvents): Socket;
  /** Milliseconds of a clock that never goes back. */
  now(): number;
  later(milliseconds: number, action: () => void): unknown;
  cancel(timer: unknown): void;
  random(): number;
  /** Calls back when the page is hidden or seen, or the device goes on or off line. */
  watchPage(events: { hidden(): void; seen(): void; online(): void; leaving(): void }): void;
  isOffline(): boolean;
}

class BrowserSocket implements Socket {
  readonly #socket: WebSocket;
  #events: SocketEvents | undefined;

  constructor(url: string, events: SocketEvents) {
    this.#events = events;
    this.#socket = new WebSocket(url);
    this.#socket.onopen = () => this.#events?.opened();
    this.#socket.onmessage = ({ data }) => this.#events?.received(String(data));
    this.#socket.onclose = ({ code }) => this.#finish(code);
  }

  send(text: string): void {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(text);
  }

  // The closing handshake of a dead network takes a minute; the client goes on at once.
  close(code: number): void {
    this.#socket.close(code);
    this.#finish(code);
  }

  #finish(code: number): void {
    const events = this.#events;
    this.#events = undefined;
    events?.closed(code);
  }
}

export const browserIo: Io = {
  open: (url, events) => new BrowserSocket(url, events),
  now: () => performance.now(),
  later: (milliseconds, action) => setTimeout(action, milliseconds),
  cancel: (timer) => clearTimeout(timer as number),
  random: () => Math.random(),
  watchPage({ hidden, seen, online, leaving }) {
    document.addEventListener("visibilitychange", () => (document.hidden ? hidden() : seen()));
    addEventListener("online", online);
    addEventListener("pagehide", leaving);
    addEventListener("pageshow", seen);
  },
  isOffline: () => navigator.onLine === false,
};
