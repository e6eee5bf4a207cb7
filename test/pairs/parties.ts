import type { PcscdOptions } from "../lab/pcscd.ts";
import { daemonOf, suite } from "../lab/suites.ts";
import type { Programs } from "../pcsc/client.ts";
import type { Results } from "./results.ts";

// Who is paired with whom: libpcsclite and pcscd as Debian releases them. In the lab only, where the suites are.

/** Debian's releases, the oldest first, each with its pcsc-lite and that one's protocol. */
export const releases = {
  bullseye: { debian: "11", pcscLite: "1.9.1", protocol: "4:4", suite: () => suite("bullseye") },
  bookworm: { debian: "12", pcscLite: "1.9.9", protocol: "4:4", suite: () => suite("bookworm") },
  trixie: { debian: "13", pcscLite: "2.3.3", protocol: "4:5", suite: () => suite("trixie") },
  // It moves on; 2.5.3 when this was written.
  sid: { debian: "unstable", pcscLite: "2.5.x", protocol: "4:6", suite: () => suite("sid") },
} as const;

export type Release = keyof typeof releases;

export const clientReleases: readonly Release[] = ["bullseye", "bookworm", "trixie", "sid"];
export const daemonReleases: readonly Release[] = ["bullseye", "bookworm", "trixie", "sid"];

export const programsOf = (release: Release): Programs => releases[release].suite();

export const pcscdOf = (release: Release): PcscdOptions => daemonOf(releases[release].suite());

/** Results in which a daemon differs from every other, with every client, directly as well. */
const peculiarities: readonly {
  readonly of: Release;
  readonly results: readonly string[];
  readonly why: string;
}[] = [
  {
    of: "bullseye",
    results: ["reconnect with eject", "card gone: reconnect", "card gone: reconnect with reset"],
    why: "where SCardReconnect fails, 1.9.1 gives what happens to be in its memory for the protocol",
  },
];

/** What a client is told by its own release's daemon, but for what another daemon does otherwise than that one. */
export function without(results: Results, ...daemons: readonly Release[]): Results {
  const names = peculiarities
    .filter(({ of }) => daemons.includes(of))
    .flatMap((one) => one.results);
  return Object.fromEntries(Object.entries(results).filter(([name]) => !names.includes(name)));
}
