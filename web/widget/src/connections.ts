/** One live connection for all elements of a page that want the same. */
import { LiveClient } from "../../shared/src/live.ts";

/** What a shop may set as `window.Guerdon` before the module loads. */
export interface GuerdonSettings {
  server?: string;
  key?: string;
  lang?: string;
  /** Asks the shop's own server for a fresh shopper token; nothing for a guest. */
  token?: () => Promise<string | null | undefined>;
}

declare global {
  interface Window {
    Guerdon?: GuerdonSettings;
  }
}

const clients = new Map<string, LiveClient>();

export function settings(): GuerdonSettings {
  return window.Guerdon ?? {};
}

/** Whether a shopper is expected to be known. */
export function expectsMember(token: string | null): boolean {
  return Boolean(token) || typeof settings().token === "function";
}

export function clientFor(server?: string, key?: string, fixed?: string): LiveClient {
  const wanted = settings();
  server ??= wanted.server ?? new URL(import.meta.url).origin;
  key ??= wanted.key;
  const name = [server, key, fixed].join(" ");
  let client = clients.get(name);
  if (!client) {
    const token = fixed ? () => Promise.resolve(fixed) : wanted.token;
    clients.set(name, (client = new LiveClient({ server, key, token })));
  }
  return client;
}
