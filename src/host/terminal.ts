import { closeSync, openSync } from "node:fs";

/**
 * Whether ssh could ask a person for a password: there is a controlling terminal, or a program that asks in a window
 * (SSH_ASKPASS, ssh(1)).
 */
export function canAsk(env: Readonly<Record<string, string | undefined>> = process.env): boolean {
  return hasTerminal() || hasAskpass(env);
}

function hasTerminal(): boolean {
  try {
    closeSync(openSync("/dev/tty", "r+"));
    return true;
  } catch {
    return false; // ENXIO: the file is there, a terminal is not
  }
}

function hasAskpass(env: Readonly<Record<string, string | undefined>>): boolean {
  const required = env["SSH_ASKPASS_REQUIRE"];
  if (!env["SSH_ASKPASS"] || required === "never") return false;
  return Boolean(env["DISPLAY"] || env["WAYLAND_DISPLAY"]) || required === "force";
}
