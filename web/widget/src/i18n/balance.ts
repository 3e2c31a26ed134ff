/** Texts of <guerdon-balance> alone. */
import { en } from "./en.ts";
import { fr } from "./fr.ts";

export const balanceEn = {
  available: "Points available",
  pending: "{n} pending|{n} pending",
  owed: "{n} point owed after a return|{n} points owed after returns",
  balanceError: "Your balance is unavailable",
  guestBalance: "Every purchase earns points",
};

export const balanceFr: typeof balanceEn = {
  available: "Points disponibles",
  pending: "{n} en attente|{n} en attente|{n} en attente",
  owed: "{n} point dû après un retour|{n} de points dus après des retours|{n} points dus après des retours",
  balanceError: "Solde indisponible",
  guestBalance: "Chaque achat rapporte des points",
};

export type BalanceKey = keyof typeof balanceEn;

Object.assign(en, balanceEn);
Object.assign(fr, balanceFr);
