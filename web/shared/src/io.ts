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
  /** Calls back when the page is hidden, seen or left, or the device goes on or off line. */
  watchPage(events: { hidden(): void; seen(): void; online(): void; leaving(): void }): void;
  isOffline(): boolean;
}

function openSocket(url: string, events: SocketEvents): Socket {
  const socket = new WebSocket(url);
  // The closing handshake of a dead network takes a minute; the client goes on at once.
  let finish = (code: number) => {
    finish = () => undefined;
    events.closed(code);
  };
  socket.onopen = () => events.opened();
  socket.onmessage = ({ data }) => events.received(String(data));
  socket.onclose = ({ code }) => finish(code);
  return {
    send: (text) => {
      if (socket.readyState === WebSocket.OPEN) socket.send(text);
    },
    close: (code) => {
      socket.close(code);
      finish(code);
    },
  };
}

export const browserIo: Io = {
  open: openSocket,
  now: () => performance.now(),
  later: (milliseconds, action) => setTimeout(action, milliseconds),
  cancel: (timer) => clearTimeout(timer as number),
  random: () => Math.random(),
  watchPage({ hidden, seen, online, leaving }) {
    document.addEventListener("visibilitychange", () => (document.hidden ? hidden() : seen()));
    addEventListener("online", online);
    addEventListener("offline", leaving);
    addEventListener("pagehide", leaving);
    // Also fires at the end of every load; only a page out of the cache was away.
    addEventListener("pageshow", ({ persisted }) => persisted && seen());
  },
  isOffline: () => navigator.onLine === false,
};
