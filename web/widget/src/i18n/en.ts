/**
 * Texts. One with `|` has a form for each plural category of its language, in the order of
 * zero, one, two, few, many, other; `{n}` is the formatted number.
 */
export const en = {
  points: "{n} point|{n} points",
  title: "Ranking",
  live: "Live",
  paused: "Paused",
  pause: "Pause updates",
  resume: "Resume updates",
  loading: "Loading…",
  reconnecting: "Reconnecting…",
  ends: "Ends in {t}",
  allTime: "All time",
  you: "You",
  alias: "You appear as “{name}”",
  gap: "{n} more point for {place} place|{n} more points for {place} place",
  held: "{n} update, show|{n} updates, show",
  members: "{n} member|{n} members",
  up: "up {n} place|up {n} places",
  down: "down {n} place|down {n} places",
  same: "same place",
  nameless: "A customer",
  moved: "You are now in {place} place",
  empty: "The ranking begins",
  emptyHint: "The first purchase opens it.",
  earn: "Ways to earn",
  offline: "Offline, seen at {time}",
  offlineNever: "Offline",
  retry: "Try again",
  error: "The ranking is unavailable",
  safe: "Your points are safe.",
  guest: "{n} point to get started|{n} points to get started",
  join: "Create an account",
  day: "d",
  hour: "h",
  minute: "min",
  ordinal: "{n}st|{n}nd|{n}rd|{n}th",
};

export type Catalogue = Record<keyof typeof en, string>;
