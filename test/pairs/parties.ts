import type { PcscdOptions } from "../lab/pcscd.ts";
import { daemonOf, suite } from "../lab/suites.ts";
import type { Programs } from "../pcsc/client.ts";

// Who is paired with whom: libpcsclite and pcscd as Debian releases them. In the lab only, where the suites are.

/** Debian's releases, the oldest first, each with its pcsc-lite and that one's protocol. */
export const releases = {
  bullseye: { debian: "11", pcscLite: "1.9.1", protocol: "4:4", suite: () => suite("bullseye") },
  bookworm: { debian: "12", pcscLite: "1.9.9", protocol: "4:4", suite: () => suite("bookworm") },
  trixie: { debian: "13", pcscLite: "2.3.3", protocol: "4:5", suite: () => suite("trixie") },
  // It moves on; the numbers are those it had when the table was made.
  sid: { debian: "unstable", pcscLite: "2.5.3", protocol: "4:6", suite: () => suite("sid") },
} as const;

export type Release = keyof typeof releases;

export const clientReleases: readonly Release[] = ["bullseye", "bookworm", "trixie", "sid"];
export const daemonReleases: readonly Release[] = ["bullseye", "bookworm", "trixie", "sid"];

export const programsOf = (release: Release): Programs => releases[release].suite();

export const pcscdOf = (release: Release): PcscdOptions => daemonOf(releases[release].suite());
