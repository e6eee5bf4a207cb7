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
