import { CardwireError } from "../../domain/errors.ts";
import { clearSystemSocket } from "../../host/system-socket.ts";
import { type Scope, systemctl } from "../../host/systemctl.ts";
import { deleteUnit, readUnit, unitName, unitNames, unitPath } from "../../host/units.ts";

/**
 * Stops a service for good. Resolves with the path of the unit that is gone.
 *
 * @throws {CardwireError} `E_NO_SERVICE` there is none of this name; `E_NO_SYSTEMD`, `E_SERVICE` it stays.
 */
export async function removeService(scope: Scope, name: string): Promise<string> {
  const names = await unitNames(scope);
  if (!names.includes(name)) throw noSuchService(scope, name, names);
  await systemctl(scope, ["disable", "--now", "--quiet", "--", unitName(name)]);
  // The unit itself cannot remove a directory that is a mount of its sandbox.
  if (scope === "system" && (await readUnit(scope, name)).includes(" system-place "))
    await clearSystemSocket();
  await deleteUnit(scope, name);
  await systemctl(scope, ["daemon-reload"]);
  // One that failed stays in systemd's list otherwise. Where it did not, there is nothing to reset.
  await systemctl(scope, ["reset-failed", "--", unitName(name)]).catch(() => {});
  return unitPath(scope, name);
}

function noSuchService(scope: Scope, name: string, names: readonly string[]): CardwireError {
  const other = scope === "system" ? "--user" : "--system";
  const hint =
    names.length === 0
      ? `There are none here; try ${other}, or 'cardwire service status'.`
      : `These are installed: ${names.join(", ")}; with ${other} it looks for others.`;
  return new CardwireError("E_NO_SERVICE", `no service is called ${JSON.stringify(name)}`, {
    hint,
  });
}
