import { closeSync, openSync, readFileSync } from "node:fs";

/**
 * Whether ssh could ask a person for a password: there is a controlling terminal, or a program that asks in a window
 * (SSH_ASKPASS, ssh(1)).
 */
export function canAsk(env: Readonly<Record<string, string | undefined>> = process.env): boolean {
  return hasTerminal() || hasAskpass(env);
}

/** Whether what is typed at our terminal, such as Ctrl-C, reaches our process group, wherever our input comes from. */
export function isInForeground(): boolean {
  try {
    const stat = readFileSync("/proc/self/stat", "latin1");
    // proc(5): behind the name in parentheses come state, parent, group, session, terminal, and the group in its foreground.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[2] === fields[5];
  } catch {
    return false; // no /proc: better twice than never
  }
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
