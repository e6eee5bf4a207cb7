import { CardwireError, type ErrorDetails } from "../domain/errors.ts";

/** What is known about a place whose pcscd does not answer. */
export interface PcscdPlace {
  /** Where, for messages: `user@cardhost`, `this computer`. */
  readonly place: string;
  readonly socket: string;
}

/** Over there the package is missing. */
export function notInstalled({ place }: PcscdPlace): CardwireError {
  return new CardwireError("E_NO_PCSCD", `pcscd is not installed on ${place}`, {
    hint: "Install and start it there: sudo apt install pcscd && sudo systemctl enable --now pcscd.socket",
  });
}

export function notThere({ place, socket }: PcscdPlace, details: ErrorDetails = {}): CardwireError {
  return new CardwireError("E_NO_PCSCD", `no pcscd at ${socket} on ${place}`, {
    hint: "Start it there with 'sudo systemctl enable --now pcscd.socket'; 'sudo apt install pcscd' installs it.",
    ...details,
  });
}

/** The file is there; no process has it open. */
export function nobodyListens(
  { place, socket }: PcscdPlace,
  details: ErrorDetails = {},
): CardwireError {
  return new CardwireError("E_NO_PCSCD", `nobody listens at ${socket} on ${place}`, {
    hint: "Start pcscd there: sudo systemctl restart pcscd.socket",
    ...details,
  });
}

export function socketDenied(
  { place, socket }: PcscdPlace,
  details: ErrorDetails = {},
): CardwireError {
  return new CardwireError("E_SOCKET_DENIED", `no right to connect to ${socket} on ${place}`, {
    hint: `Give this user the right to write to it ('ls -l ${socket}' shows the rights): pcscd's own has mode 0666.`,
    ...details,
  });
}

/** It hung up once and answers now. */
export function answersAgain({ place, socket }: PcscdPlace): CardwireError {
  return new CardwireError("E_PCSCD_GONE", `pcscd at ${socket} on ${place} hung up`, {
    hint: "It answers again: try once more; 'journalctl -u pcscd' over there may say what happened.",
  });
}

/**
 * It takes connections and closes them without reading. pcscd does so when polkit says no (auth.c), and when it has
 * 200 clients already.
 *
 * @param user whom pcscd sees, undefined when that could not be found out.
 * @param polkit whether polkit can be the reason: there is a policy, and the user is not root.
 */
export function refused(
  { place, socket }: PcscdPlace,
  { user, polkit }: { user: string | undefined; polkit: boolean },
): CardwireError {
  const others =
    "too many programs are connected (pcscd takes 200 connections), or it ends as soon as it is started; 'journalctl -u pcscd' there may say more.";
  const hint = polkit
    ? `Most likely polkit refuses it: by default only sessions at the console may use cards. Put this file there as ${RULE_FILE} (as root):\n${polkitRule(user ?? "USER").replaceAll(/^/gm, "    ")}\nOr ${others}`
    : `Perhaps ${others}`;
  return new CardwireError(
    "E_PCSCD_REFUSED",
    `pcscd at ${socket} on ${place} hangs up on ${user ?? "this user"} without a word`,
    { hint },
  );
}

/** Where an administrator's own polkit rules are (polkit(8)). */
export const RULE_FILE = "/etc/polkit-1/rules.d/50-cardwire.rules";

/** The actions of pcscd's polkit policy. A session needs both. */
export const POLKIT_ACTIONS = [
  "org.debian.pcsc-lite.access_pcsc",
  "org.debian.pcsc-lite.access_card",
] as const;

/**
 * A polkit(8) rule that lets `user` use pcscd and its cards from any session, and says nothing about anybody else.
 *
 * In the JavaScript of 2009: polkitd up to 0.120 runs rules in mozjs, later ones in Duktape, which refuses a whole file
 * for one arrow function.
 */
export function polkitRule(user: string): string {
  return [
    "polkit.addRule(function (action, subject) {",
    `  var ids = [${POLKIT_ACTIONS.map((id) => JSON.stringify(id)).join(", ")}];`,
    `  if (ids.indexOf(action.id) >= 0 && subject.user === ${JSON.stringify(user)}) {`,
    "    return polkit.Result.YES;",
    "  }",
    "});",
  ].join("\n");
}
