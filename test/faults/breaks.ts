import { setTimeout as delay } from "node:timers/promises";
import type { DelayLine } from "../lab/delay-line.ts";
import { signal } from "../lab/processes.ts";
import type { Sshd } from "../lab/sshd.ts";
import { masters } from "./attached.ts";

/** One break of the line, as networks, administrators and machines make them. @returns its kind. */
export async function breakLine(
  random: () => number,
  { line, sshd }: { line: DelayLine; sshd: Sshd },
): Promise<string> {
  const drawn = random();
  if (drawn < 0.5) {
    await line.cut();
    return "cut";
  }
  if (drawn < 0.66) {
    for (const pid of await masters("alice")) signal(pid, "SIGKILL");
    return "ssh killed";
  }
  if (drawn < 0.74) {
    await sshd.dropConnections();
    return "login ended";
  }
  if (drawn < 0.9) {
    line.stall();
    await delay(random() * 300);
    await line.cut();
    line.resume();
    return "stalled, then cut";
  }
  await line.cut({ stayDown: true });
  await delay(random() * 500);
  line.resume();
  return "down for a while";
}

/** The same, and what lines do that are not quite broken. @returns its kind. */
export async function breakLineSomehow(
  random: () => number,
  { line, sshd }: { line: DelayLine; sshd: Sshd },
): Promise<string> {
  const drawn = random();
  if (drawn < 0.6) return await breakLine(random, { line, sshd });
  if (drawn < 0.75) {
    line.halfClose();
    return "half-closed";
  }
  if (drawn < 0.87) {
    line.become("throttle");
    await delay(200 + random() * 800);
    const isCut = random() < 0.5;
    if (isCut) await line.cut();
    line.resume();
    return isCut ? "throttled, then cut" : "throttled";
  }
  const which = random() < 0.5 ? "client" : "server";
  line.become(`deaf to ${which}`);
  await delay(random() * 600);
  const isCut = random() < 0.7;
  if (isCut) await line.cut();
  line.resume();
  return `deaf to ${which}${isCut ? ", then cut" : ""}`;
}
