/** Close codes of /live (docs/live.md). Constants one by one, so that a bundle has only numbers. */
export const normal = 1000;
export const away = 1001;
export const shutdown = 4400;
export const tokenExpired = 4401;
export const slow = 4402;
export const noPong = 4403;
export const epochReset = 4404;
export const rateLimited = 4405;
export const nodeFull = 4406;
export const badToken = 4500;
export const badFrame = 4501;
export const refused = 4502;
export const revoked = 4503;
export const connectionLimit = 4504;
export const noConnect = 4505;
