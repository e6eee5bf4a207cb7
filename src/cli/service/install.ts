import { execFile } from "node:child_process";
import { access } from "node:fs/promises";
import { userInfo } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { CardwireError } from "../../domain/errors.ts";
import { shellWord } from "../../domain/shell-word.ts";
import { findAccount } from "../../host/account.ts";
import { groupId } from "../../host/group.ts";
import { checkAttachmentName } from "../../host/paths.ts";
import { makePrivatePath, statePath } from "../../host/private-file.ts";
import { checkSystemSocket } from "../../host/system-socket.ts";
import {
  lastLines,
  type Scope,
  systemctl,
  type UnitState,
  unitState,
} from "../../host/systemctl.ts";
import { unitText } from "../../host/systemd-unit.ts";
import { unitName, unitPath, writeUnit } from "../../host/units.ts";
import { isJoined } from "../../joined/hosts.ts";
import type { Io } from "../io.ts";
import { wrongUsage } from "../options.ts";
import { printable } from "../report.ts";
import { planUnit, program } from "./plan.ts";
import type { WrappedCommand } from "./wrapped-command.ts";

export interface InstallOptions {
  readonly scope: Scope;
  readonly name: string | undefined;
  /** Who runs a system unit. */
  readonly user: string | undefined;
  readonly dryRun: boolean;
  readonly json: boolean;
}

/** How long to wait for a service to be ready, ms. One that is not goes on trying; only the telling ends. */
const PATIENCE_MS = 30_000;
const POLL_MS = 100;

/** How long cardwire may take to tell its version, ms: much more than it ever does. */
const PROGRAM_MS = 20_000;
/** How many of a service's last lines show why it does not come up. */
const LINES = 8;

/**
 * Writes the unit of a service, has it started at boot, starts it, and tells how that went.
 *
 * @throws {CardwireError} `E_USAGE`, `E_USER`, `E_GROUP`, `E_NAME`, `E_SOCKET_IN_USE` what cannot work, before anything
 *   is written; `E_NO_SYSTEMD`, `E_SERVICE`.
 */
export async function installService(
  command: WrappedCommand,
  options: InstallOptions,
  { io, signal }: { io: Io; signal: AbortSignal },
): Promise<void> {
  const { scope, user, json } = options;
  const name = options.name ?? command.name;
  checkAttachmentName(name);
  if (user !== undefined && scope === "user")
    throw wrongUsage("--as is for units of the system", "Leave --as away, or use sudo.");
  if (user !== undefined && command.isNamed)
    throw wrongUsage(
      `${user} has settings of their own, in which your names do not stand`,
      "Write out what the name stands for: attach HOST [options].",
    );
  const keys = scope === "system" ? await stateOf(command, user) : undefined;
  const text = unitText(planUnit(command, { name, scope, user, env: io.env, state: keys }));
  const path = unitPath(scope, name);
  if (options.dryRun) {
    io.out(json ? JSON.stringify({ unit: unitName(name), path, text }) : text.trimEnd());
    return;
  }
  if (command.group !== undefined) await groupId(command.group);
  if (user !== undefined) await checkUser(user);
  const before = await unitState(scope, unitName(name));
  if (keys !== undefined) await makeState(keys, user);
  // One that is installed anew may sit there itself.
  if (command.system && before.active !== "active") await checkSystemSocket();
  await writeUnit(scope, name, text);
  await systemctl(scope, ["daemon-reload"]);
  await systemctl(scope, ["enable", "--quiet", "--", unitName(name)]);
  await systemctl(scope, ["stop", "--", unitName(name)]);
  const since = new Date();
  await systemctl(scope, ["start", "--no-block", "--", unitName(name)]);
  const state = await settled(scope, unitName(name), signal);
  await tell({ name, scope, path, state, since, json }, io);
}

/** Where the state is that a system's service writes to; undefined where it writes to none. */
async function stateOf(
  { keepsState, wheres }: WrappedCommand,
  user: string | undefined,
): Promise<string | undefined> {
  const account = user === undefined ? undefined : await findAccount(user).catch(() => undefined); // told below
  if (user !== undefined && !account) return undefined;
  const path = account ? statePath({ uid: account.uid, env: { HOME: account.home } }) : statePath();
  if (keepsState) return path;
  const hosts = join(path, "hosts");
  const joined = await Promise.all(wheres.filter(isName).map((one) => isJoined(one, hosts)));
  return joined.some(Boolean) ? path : undefined;
}

const isName = (text: string): boolean => /^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(text);

/** Makes that directory as the user himself: whatever is in his home, root follows none of it. */
async function makeState(path: string, user: string | undefined): Promise<void> {
  if (user === undefined || process.getuid?.() !== 0) return await makePrivatePath(path);
  try {
    await asUser(user, ["mkdir", "-p", "-m", "700", "--", path]);
  } catch (cause) {
    throw new CardwireError("E_USER", `${user} cannot make ${path}, where keys are kept`, {
      cause,
      hint: `Give that user a home: usermod --home DIRECTORY --move-home ${user}`,
    });
  }
}

async function asUser(user: string, command: readonly string[]): Promise<void> {
  // What `su` leaves of a user's PATH may lack /usr/sbin, where runuser is.
  const env = { ...process.env, PATH: `${process.env["PATH"] ?? ""}:/usr/sbin:/sbin` };
  const how = { cwd: "/", env, timeout: PROGRAM_MS };
  await promisify(execFile)("runuser", ["-u", user, "--", ...command], how);
}

/** @throws {CardwireError} `E_USER` no such user, or one who cannot run this very program. */
async function checkUser(user: string): Promise<void> {
  await findAccount(user);
  if (process.getuid?.() !== 0) return; // nobody else can try, or write the unit: that says so
  const command = program();
  try {
    await asUser(user, [...command, "--version"]);
  } catch (cause) {
    throw new CardwireError("E_USER", `${user} cannot run ${command.map(shellWord).join(" ")}`, {
      cause,
      hint: "Install Node.js and cardwire where everybody may read them, not in somebody's home.",
    });
  }
}

/** Waits until a unit that was just started is ready or has failed, but not for ever. */
async function settled(scope: Scope, unit: string, signal: AbortSignal): Promise<UnitState> {
  for (const end = performance.now() + PATIENCE_MS; ; await delay(POLL_MS, undefined, { signal })) {
    const state = await unitState(scope, unit);
    const isSettled = ["active", "failed"].includes(state.active) || state.restarts > 0;
    if (isSettled || performance.now() > end) return state;
  }
}

interface Installed {
  readonly name: string;
  readonly scope: Scope;
  readonly path: string;
  readonly state: UnitState;
  /** When it was started. */
  readonly since: Date;
  readonly json: boolean;
}

async function tell({ name, scope, path, state, since, json }: Installed, io: Io): Promise<void> {
  const unit = unitName(name);
  const ready = state.active === "active";
  const lines = ready ? [] : (await lastLines(scope, unit, { count: LINES, since })).map(printable);
  const status = printable(state.status);
  if (json)
    io.out(JSON.stringify({ name, scope, path, state: state.active, ready, status, lines }));
  else {
    if (ready) io.out(`${name} runs: ${status}`);
    else for (const line of lines) io.err(`  ${line}`);
    io.out(path);
  }
  if (scope === "user" && !(await lingers()))
    io.err(
      `It runs while you are logged in. To have it from boot on: sudo loginctl enable-linger ${userInfo().username}`,
    );
  if (ready) return;
  const follow = `journalctl ${scope === "user" ? "--user-unit" : "--unit"} ${unit} --follow`;
  if (state.active === "activating" && state.restarts === 0) {
    io.err(`${name} is not ready yet and goes on trying; '${follow}' shows how.`);
    return;
  }
  throw new CardwireError("E_SERVICE", `${name} does not come up`, {
    hint: `${state.active === "failed" ? "Its own words are above" : "It goes on trying"}; '${follow}' tells more, 'cardwire service remove ${name}' takes it away.`,
  });
}

/** Whether this user's services run without a login. systemd-logind keeps a file for each such user. */
async function lingers(): Promise<boolean> {
  const file = `/var/lib/systemd/linger/${userInfo().username}`;
  return await access(file).then(
    () => true,
    () => false,
  );
}
