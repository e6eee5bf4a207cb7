import { lastLines, type Scope, unitState } from "../../host/systemctl.ts";
import { unitName, unitNames } from "../../host/units.ts";
import { printable } from "../report.ts";
import { table } from "../table.ts";

/** A service in `--json`. The meaning of a field never changes. */
export interface ServiceReport {
  readonly name: string;
  readonly scope: Scope;
  /** systemd's own word: `active`, `activating`, `inactive`, `failed`, … */
  readonly state: string;
  /** ISO 8601, UTC. Absent when it never ran. */
  readonly since?: string;
  /** The main process, while there is one. */
  readonly pid?: number;
  /** Whether it starts at boot, or at login. */
  readonly enabled: boolean;
  readonly restarts: number;
  /** What it says of itself while it runs, else its last line in the journal. */
  readonly message: string;
}

/** Every service that cardwire installed: the system's, and this user's own. */
export async function serviceReports(): Promise<readonly ServiceReport[]> {
  const reports: ServiceReport[] = [];
  for (const scope of ["system", "user"] as const)
    for (const name of await unitNames(scope)) reports.push(await report(scope, name));
  return reports;
}

async function report(scope: Scope, name: string): Promise<ServiceReport> {
  const state = await unitState(scope, unitName(name));
  return {
    name,
    scope,
    state: state.sub === "auto-restart" ? "waiting to be restarted" : state.active,
    ...(state.since && { since: state.since.toISOString() }),
    ...(state.mainPid !== undefined && { pid: state.mainPid }),
    enabled: state.enabled,
    restarts: state.restarts,
    message: state.status === "" ? await lastWords(scope, name) : state.status,
  };
}

/** Its last line, or the error above the hint. */
async function lastWords(scope: Scope, name: string): Promise<string> {
  const lines = await lastLines(scope, unitName(name), { count: 5 });
  return lines.findLast((line) => line.startsWith("cardwire: ")) ?? lines.at(-1) ?? "";
}

export const servicesTable = (reports: readonly ServiceReport[]): string =>
  table(
    ["SERVICE", "OF", "STATE", "SINCE", "PID", "MESSAGE"],
    reports.map(({ name, scope, state, enabled, since, pid, message }) => [
      name,
      scope,
      enabled ? state : `${state}, not at boot`,
      since?.replace(/\.\d+Z$/, "Z") ?? "-",
      String(pid ?? "-"),
      printable(message),
    ]),
  );
