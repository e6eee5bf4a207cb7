import type { Identity, Invitation, Register } from "../../serve/records.ts";
import { printable } from "../report.ts";
import { table } from "../table.ts";

/** Somebody, in `--json`. The meaning of a field never changes. */
export interface IdentityLine {
  readonly name: string;
  /** - `in`: may come. - `invited`: has a token. - `expired`: has no good certificate, or token. - `revoked`. */
  readonly state: "in" | "invited" | "expired" | "revoked";
  readonly profile: string;
  readonly readers: readonly string[];
  /** When his last certificate ends, or his token. */
  readonly expires: string | undefined;
  /** The computers that he joined from; their own words. */
  readonly computers: readonly { readonly on: string; readonly expires: string }[];
}

/** Everybody who came in, and those who are invited. */
export function identityLines(
  { identities, invitations }: Register,
  now: number,
): readonly IdentityLine[] {
  const open = invitations.filter(
    ({ used, expires }) => used === undefined && Date.parse(expires) > now,
  );
  return [
    ...identities.map((one) => identityLine(one, now)),
    ...open.map(
      ({ name, profile, readers, expires }: Invitation): IdentityLine => ({
        name,
        state: "invited",
        profile,
        readers,
        expires,
        computers: [],
      }),
    ),
  ].toSorted((a, b) => a.name.localeCompare(b.name, "en"));
}

function identityLine(
  { name, profile, readers, revoked, keys }: Identity,
  now: number,
): IdentityLine {
  const expires = keys
    .map((key) => key.expires)
    .toSorted()
    .at(-1);
  const isIn = expires !== undefined && Date.parse(expires) > now;
  const computers = keys.map((key) => ({ on: key.on, expires: key.expires }));
  const state = revoked === undefined ? (isIn ? "in" : "expired") : "revoked";
  return { name, state, profile, readers, expires, computers };
}

export const identitiesTable = (lines: readonly IdentityLine[]): string =>
  table(
    ["NAME", "STATE", "UNTIL", "PROFILE", "READERS", "COMPUTERS"],
    lines.map(({ name, state, expires, profile, readers, computers }) => [
      name,
      state,
      (expires ?? "").replace(/:\d\d\.\d+Z$/, "Z").replace("T", " "),
      profile,
      readers.length === 0 ? "all" : printable(readers.join(" ")),
      computers.map(({ on }) => printable(on)).join(" "),
    ]),
  );
