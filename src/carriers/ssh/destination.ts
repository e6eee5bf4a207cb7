import { CardwireError } from "../../domain/errors.ts";

/**
 * Accepts `host`, `user@host`, an alias of ssh_config, and `ssh://user@host:port`; ssh itself understands them all.
 *
 * What could be an option, or code in a ProxyCommand or `Match exec` of the user's (CVE-2023-51385), is refused as by
 * OpenSSH 9.6, for the older ones that do not.
 *
 * @throws {CardwireError} `E_WHERE`
 */
export function checkDestination(destination: string): void {
  const rest = destination.replace(/^ssh:\/\//, "");
  const at = rest.lastIndexOf("@");
  const host = rest.slice(at + 1);
  const user = at < 0 ? undefined : rest.slice(0, at);
  const fine =
    !/[\p{C}\p{Z}'"`;&<>|(){}]/u.test(destination) &&
    /^[^-$\\]/.test(host) &&
    !/[$\\]/.test(host) &&
    (user === undefined || /^[^-](.*[^\\])?$/.test(user));
  if (fine) return;
  throw new CardwireError("E_WHERE", `${JSON.stringify(destination)} is no ssh destination`, {
    hint: "Write it as for ssh: [user@]host, or ssh://user@host:port.",
  });
}
