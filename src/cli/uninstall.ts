import { rm, rmdir } from "node:fs/promises";
import { CardwireError } from "../domain/errors.ts";
import { type Trace, traces, type Use, uses } from "../host/footprint.ts";
import type { Scope } from "../host/systemctl.ts";
import { deleteUnit, unitFiles, unitNames } from "../host/units.ts";
import { removeStaleSocket } from "../host/unix-socket.ts";
import type { Io } from "./io.ts";
import { printable } from "./report.ts";
import { removeService } from "./service/remove.ts";

export interface UninstallOptions {
  readonly dryRun: boolean;
  readonly json: boolean;
}

/**
 * Removes whatever cardwire made on this computer for this user, as root also for the system, and prints each path;
 * or only prints them.
 *
 * @throws {CardwireError} `E_UNINSTALL` cardwire runs, and then nothing is removed; or something cannot be removed.
 */
export async function uninstall(
  { dryRun, json }: UninstallOptions,
  { io }: { io: Io },
): Promise<void> {
  const running = await uses();
  if (running.length > 0) throw stillRunning(running);
  const print = ({ path, what }: Pick<Trace, "path" | "what">) =>
    io.out(json ? JSON.stringify({ path, what, removed: !dryRun }) : printable(path));
  const failed: string[] = [];
  const attempt = async (trace: Pick<Trace, "path" | "what">, action: () => Promise<unknown>) => {
    try {
      if (!dryRun) await action();
      print(trace);
    } catch (error) {
      failed.push(`${trace.path}: ${error instanceof Error ? error.message : String(error)}`);
    }
  };
  for (const { scope, name } of await services()) {
    const files = await unitFiles(scope, name);
    const [first = ""] = files;
    await attempt({ path: first, what: "a service" }, () => removeUnit(scope, name));
    for (const path of files.slice(1)) await attempt({ path, what: "a service" }, async () => {});
  }
  for (const trace of await traces()) await attempt(trace, () => remove(trace));
  io.err("The program itself goes with 'npm uninstall --global cardwire'.");
  if (failed.length === 0) return;
  throw new CardwireError("E_UNINSTALL", `it could not be removed: ${failed.join("; ")}`, {
    hint: "What is root's takes sudo; look at the rest with 'ls -ld'.",
  });
}

async function services(): Promise<readonly { readonly scope: Scope; readonly name: string }[]> {
  const scopes = process.getuid?.() === 0 ? (["system", "user"] as const) : (["user"] as const);
  const found = await Promise.all(
    scopes.map(async (scope) => (await unitNames(scope)).map((name) => ({ scope, name }))),
  );
  return found.flat();
}

/** Also where no systemd answers any more that could be told. */
async function removeUnit(scope: Scope, name: string): Promise<void> {
  try {
    await removeService(scope, name);
  } catch (error) {
    if (!CardwireError.is(error) || error.code !== "E_NO_SYSTEMD") throw error;
    await deleteUnit(scope, name);
  }
}

async function remove({ path, remove: how }: Trace): Promise<void> {
  if (how === "stale socket") await removeStaleSocket(path);
  else if (how === "tree") await rm(path, { recursive: true, force: true });
  else await rmdir(path).catch(() => {}); // somebody else's is in it: it is theirs now
}

function stillRunning(running: readonly Use[]): CardwireError {
  const each = running.map(
    ({ name, pid }) => `${printable(name)}${pid === undefined ? "" : ` (process ${pid})`}`,
  );
  return new CardwireError("E_UNINSTALL", `cardwire is running: ${each.join(", ")}`, {
    hint: "End it first: Ctrl-C where it runs, or 'cardwire service remove NAME' for a service.",
  });
}
