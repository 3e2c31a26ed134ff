/**
 * Texts, in English; other languages have them by the English one. One with `|` has a form for each
 * plural category of its language, in the order of zero, one, two, few, many, other; `{n}` is the
 * formatted number.
 */
export const points = "{n} point|{n} points";
export const title = "Ranking";
export const live = "Live";
export const paused = "Paused";
export const pause = "Pause updates";
export const resume = "Resume updates";
export const loading = "Loading…";
export const reconnecting = "Reconnecting…";
export const ends = "Ends in {t}";
export const allTime = "All time";
export const you = "You";
export const alias = "You appear as “{name}”";
export const gap = "{n} more point for {place} place|{n} more points for {place} place";
export const held = "{n} update, show|{n} updates, show";
export const members = "{n} member|{n} members";
export const up = "up {n} place|up {n} places";
export const down = "down {n} place|down {n} places";
export const same = "same place";
export const nameless = "A customer";
export const moved = "You are now in {place} place";
export const empty = "The ranking begins";
export const emptyHint = "The first purchase opens it.";
export const earn = "Ways to earn";
export const offline = "Offline, seen at {time}";
export const offlineNever = "Offline";
export const retry = "Try again";
export const error = "The ranking is unavailable";
export const safe = "Your points are safe.";
export const guest = "{n} point to get started|{n} points to get started";
export const join = "Create an account";
export const day = "d";
export const hour = "h";
export const minute = "min";
export const ordinal = "{n}st|{n}nd|{n}rd|{n}th";
export const available = "Points available";
export const pending = "{n} pending|{n} pending";
export const owed = "{n} point owed after a return|{n} points owed after returns";
export const balanceError = "Your balance is unavailable";
export const guestBalance = "Every purchase earns points";
