/** Close codes and error codes of /live (docs/live.md). */

export const Close = {
  normal: 1000,
  away: 1001,
  shutdown: 4400,
  tokenExpired: 4401,
  slow: 4402,
  noPong: 4403,
  epochReset: 4404,
  rateLimited: 4405,
  nodeFull: 4406,
  badToken: 4500,
  badFrame: 4501,
  refused: 4502,
  revoked: 4503,
  connectionLimit: 4504,
  noConnect: 4505,
} as const;

export const ErrorCode = {
  unknownCommand: 100,
  noSuchChannel: 101,
  badParameter: 102,
  notAllowed: 103,
  tooManyChannels: 104,
  channelOver: 105,
  notReady: 106,
} as const;

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
