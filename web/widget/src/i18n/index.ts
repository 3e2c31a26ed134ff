import { fr } from "./fr.ts";

/** What texts are in English: themselves; the build makes numbers of them and a list here. */
const english: Record<string, string> = {};

/** English text → the text in that language */
export const catalogues: Record<string, Record<string, string>> = { en: english, fr };
