/** The one module a shop includes. */
import "./balance.ts";
import "./leaderboard.ts";
