export * from "./board.ts";
export * from "./codes.ts";
export * from "./frames.ts";
export * from "./io.ts";
export * from "./live.ts";
