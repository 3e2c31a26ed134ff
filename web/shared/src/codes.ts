import * as Close from "./close.ts";
import * as ErrorCode from "./error-code.ts";

export { Close, ErrorCode };

/** 45xx: the server does not want this client back; everything else is worth another attempt. */
export function mayReconnect(code: number): boolean {
  return code < 4500 || code > 4599;
}

const firstRetry = 3_000;
const longestRetry = 30_000;

/**
 * Milliseconds to wait before attempt `attempt` (1 is the first retry) after a close with `code`.
 * Full jitter, so that ten thousand pages do not come back together; `after` is the server's word.
 */
export function retryDelay(
  code: number,
  attempt: number,
  after: number | undefined,
  random: () => number,
): number {
  if (after !== undefined) return after;
  if (code === Close.tokenExpired && attempt <= 1) return 0;
  if (code === Close.shutdown || code === Close.nodeFull) return random() * longestRetry;
  const ceiling = attempt <= 1 ? firstRetry : Math.min(longestRetry, 500 * 2 ** attempt);
  const delay = random() * ceiling;
  return code === Close.rateLimited ? Math.max(5_000, delay) : delay;
}
