import { spawn } from "node:child_process";
import { once } from "node:events";
import { type HostFacts, parseHost } from "../host-facts.ts";
import { hostScript } from "../host-script.ts";

/** How long the script may take, ms. */
const LIMIT_MS = 10_000;

/** Most of its output that is kept, characters. */
const MAX_OUTPUT = 262_144;

/** What there is to know of a pcscd on this computer. Undefined when there is no `sh`, or it does not come to an end. */
export async function lookAtNearHost(
  socket: string,
  { signal }: { signal: AbortSignal },
): Promise<HostFacts | undefined> {
  const child = spawn("sh", [], { stdio: ["pipe", "pipe", "ignore"], detached: true });
  const end = () => {
    try {
      // Its whole group: it may be waiting for a program that it started.
      if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
    } catch {
      // It has just ended.
    }
  };
  const limit = AbortSignal.any([signal, AbortSignal.timeout(LIMIT_MS)]);
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output = (output + text).slice(-MAX_OUTPUT);
  });
  child.stdin.on("error", () => {}); // it ended early: what it did not say tells
  child.stdin.end(hostScript(socket, { scratch: false }));
  limit.addEventListener("abort", end, { once: true });
  try {
    await once(child, "close");
  } catch {
    return undefined; // there is no sh
  } finally {
    limit.removeEventListener("abort", end);
  }
  const host = parseHost(output);
  // Whoever examines may be connected himself meanwhile, and holds nothing.
  return host && { ...host, clients: host.clients.filter(({ pid }) => pid !== process.pid) };
}
