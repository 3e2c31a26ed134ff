import * as en from "./en.ts";

type Catalogue = Record<(typeof en)[keyof typeof en], string>;

// U+202F before ; ! ? and in thousands, U+00A0 before : and inside « », written as escapes.
export const fr: Catalogue = {
  [en.points]: "{n} point|{n} de points|{n} points",
  [en.title]: "Classement",
  [en.live]: "En direct",
  [en.paused]: "Suspendu",
  [en.pause]: "Suspendre les mises à jour",
  [en.resume]: "Reprendre les mises à jour",
  [en.loading]: "Chargement…",
  [en.reconnecting]: "Reconnexion…",
  [en.ends]: "Se termine dans {t}",
  [en.allTime]: "Depuis le début",
  [en.you]: "Vous",
  [en.alias]: "Vous apparaissez sous le nom «\u00a0{name}\u00a0»",
  [en.gap]:
    "{n} point pour la {place} place|{n} de points pour la {place} place|{n} points pour la {place} place",
  [en.held]: "Afficher {n} mise à jour|Afficher {n} mises à jour",
  [en.members]: "{n} membre|{n} de membres|{n} membres",
  [en.up]: "{n} place gagnée|{n} places gagnées",
  [en.down]: "{n} place perdue|{n} places perdues",
  [en.same]: "même place",
  [en.nameless]: "Un client",
  [en.moved]: "Vous êtes maintenant à la {place} place",
  [en.empty]: "Le classement commence",
  [en.emptyHint]: "Le premier achat l’ouvre.",
  [en.earn]: "Façons de gagner",
  [en.offline]: "Hors ligne, vu à {time}",
  [en.offlineNever]: "Hors ligne",
  [en.retry]: "Réessayer",
  [en.error]: "Classement indisponible",
  [en.safe]: "Vos points sont à l’abri.",
  [en.guest]: "{n} point pour commencer|{n} de points pour commencer|{n} points pour commencer",
  [en.join]: "Créer un compte",
  [en.day]: "j",
  [en.hour]: "h",
  [en.minute]: "min",
  [en.ordinal]: "{n}ʳᵉ|{n}ᵉ",
  [en.available]: "Points disponibles",
  [en.pending]: "{n} en attente|{n} en attente|{n} en attente",
  [en.owed]:
    "{n} point dû après un retour|{n} de points dus après des retours|{n} points dus après des retours",
  [en.balanceError]: "Solde indisponible",
  [en.guestBalance]: "Chaque achat rapporte des points",
};
