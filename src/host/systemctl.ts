import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { CardwireError } from "../domain/errors.ts";
import { errorCode } from "./error-code.ts";

/** The system's service manager, or the one of this user (`systemctl --user`). */
export type Scope = "system" | "user";

/** How a unit is, as `systemctl show` tells it. */
export interface UnitState {
  /** `active`, `activating`, `deactivating`, `inactive` or `failed`. */
  readonly active: string;
  /** Finer: `running`, `start`, `auto-restart`, `dead` and others. */
  readonly sub: string;
  /** When it came to that state; absent when it was never started. */
  readonly since: Date | undefined;
  readonly mainPid: number | undefined;
  /** What it last told of itself, as long as it runs. */
  readonly status: string;
  /** Whether it starts by itself. */
  readonly enabled: boolean;
  /** How often it was started anew since somebody started it. */
  readonly restarts: number;
}

/** How long a call may take, ms. Stopping a unit takes as long as its TimeoutStopSec. */
const CALL_MS = 60_000;

/**
 * Runs `systemctl`.
 *
 * @returns what it printed.
 * @throws {CardwireError} `E_NO_SYSTEMD` no service manager answers; `E_SERVICE` it refuses, with its own words.
 */
export async function systemctl(scope: Scope, args: readonly string[]): Promise<string> {
  const words = [`--${scope}`, "--no-pager", "--no-ask-password", ...args];
  try {
    return (await promisify(execFile)("systemctl", words, { env: plain(), timeout: CALL_MS }))
      .stdout;
  } catch (cause) {
    throw explain(scope, args, cause);
  }
}

const PROPERTIES = {
  ActiveState: "active",
  SubState: "sub",
  StateChangeTimestamp: "since",
  MainPID: "mainPid",
  StatusText: "status",
  UnitFileState: "enabled",
  NRestarts: "restarts",
} as const;

/** @throws {CardwireError} as {@link systemctl} does. */
export async function unitState(scope: Scope, unit: string): Promise<UnitState> {
  const names = Object.keys(PROPERTIES).join(",");
  const shown = await systemctl(scope, ["show", `--property=${names}`, "--", unit]);
  const values = new Map(
    shown.split("\n").map((line) => {
      const [key = "", ...value] = line.split("=");
      return [key, value.join("=")] as const;
    }),
  );
  const get = (key: keyof typeof PROPERTIES) => values.get(key) ?? "";
  // `Tue 2026-11-24 06:10:22 UTC`: without the day of the week, a date that Date.parse takes.
  const since = Date.parse(get("StateChangeTimestamp").replace(/^\w+ /, ""));
  const mainPid = Number(get("MainPID"));
  return {
    active: get("ActiveState"),
    sub: get("SubState"),
    since: Number.isNaN(since) ? undefined : new Date(since),
    mainPid: mainPid > 0 ? mainPid : undefined,
    status: get("StatusText"),
    enabled: get("UnitFileState") === "enabled",
    restarts: Number(get("NRestarts")) || 0,
  };
}

/** The last lines that a unit wrote to the journal, oldest first. None where this user may not read it. */
export async function lastLines(
  scope: Scope,
  unit: string,
  { count, since }: { count: number; since?: Date },
): Promise<readonly string[]> {
  const which = scope === "user" ? `--user-unit=${unit}` : `--unit=${unit}`;
  const from = since === undefined ? [] : [`--since=@${Math.floor(since.getTime() / 1_000)}`];
  const args = ["--quiet", "--no-pager", "--output=cat", `--lines=${count}`, which, ...from];
  try {
    const { stdout } = await promisify(execFile)("journalctl", args, {
      env: plain(),
      timeout: CALL_MS,
    });
    return stdout.split("\n").filter(Boolean);
  } catch {
    return []; // no journal: the state has to do
  }
}

/** Times in UTC and words in English, which are read here. */
const plain = (): NodeJS.ProcessEnv => ({ ...process.env, TZ: "UTC", LC_ALL: "C" });

function explain(scope: Scope, args: readonly string[], cause: unknown): CardwireError {
  const stderr =
    cause instanceof Error && "stderr" in cause ? String(cause.stderr).trim() : String(cause);
  const last = stderr.split("\n").at(-1)?.replaceAll(/\p{C}/gu, "?") ?? "";
  if (errorCode(cause) === "ENOENT" || /not been booted with systemd|connect to bus/i.test(stderr))
    return new CardwireError("E_NO_SYSTEMD", `no systemd answers${last ? `: ${last}` : ""}`, {
      cause,
      hint:
        scope === "user"
          ? 'Log in as this user (not with su or sudo), or set XDG_RUNTIME_DIR="/run/user/$(id -u)".'
          : "Where something else starts services, let it run 'cardwire attach' in the foreground.",
    });
  const denied = /denied|authentication|permission/i.test(stderr);
  return new CardwireError("E_SERVICE", `systemctl ${args.join(" ")}: ${last}`, {
    cause,
    hint: denied
      ? "Units of the system are root's: use sudo, or --user for a unit of your own."
      : `'systemctl --${scope} status' and 'journalctl ${scope === "user" ? "--user " : ""}-xe' tell more.`,
  });
}
