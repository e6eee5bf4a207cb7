import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { CardwireError } from "../domain/errors.ts";

/** A user of this computer (passwd(5)). */
export interface Account {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
}

/**
 * Finds a user by name. Asks the system's directory services (`getent`), and /etc/passwd where there is no getent.
 *
 * @throws {CardwireError} `E_USER` when there is no such user.
 */
export async function findAccount(name: string): Promise<Account> {
  const line = /^[^-:\s][^:\s]*$/.test(name) ? await entry(name) : undefined;
  const [found = "", , uid = "", gid = "", , home = ""] = line?.split(":") ?? [];
  if (found === name && /^\d+$/.test(uid) && /^\d+$/.test(gid))
    return { name, uid: Number(uid), gid: Number(gid), home };
  throw new CardwireError("E_USER", `there is no user ${JSON.stringify(name)} here`, {
    hint: `'sudo useradd --system --create-home --shell /usr/sbin/nologin NAME' makes one for a service.`,
  });
}

/** What the user with that number is called; undefined where there is none. */
export async function accountName(uid: number): Promise<string | undefined> {
  const [name = "", , found] = (await entry(`${uid}`, { isNumber: true }))?.split(":") ?? [];
  return name !== "" && found === `${uid}` ? name : undefined;
}

async function entry(key: string, { isNumber = false } = {}): Promise<string | undefined> {
  try {
    return (await promisify(execFile)("getent", ["passwd", "--", key])).stdout.trim();
  } catch {
    // Not found, or no getent (musl's has fewer options): the file decides.
    const all = await readFile("/etc/passwd", "utf8").catch(() => "");
    const isMeant = (line: string) =>
      isNumber ? line.split(":")[2] === key : line.startsWith(`${key}:`);
    return all.split("\n").find(isMeant);
  }
}
