/** Codes of `err` of /live (docs/live.md). */
export const unknownCommand = 100;
export const noSuchChannel = 101;
export const badParameter = 102;
export const notAllowed = 103;
export const tooManyChannels = 104;
export const channelOver = 105;
export const notReady = 106;
