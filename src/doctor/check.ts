/** What doctor prints together, in this order. */
export const groups = {
  ssh: "ssh to the card host",
  sshd: "sshd on the card host",
  joined: "the card host, as it was joined",
  serve: "serve on this computer",
  pcscd: "pcscd",
  readers: "readers and cards",
  line: "the line",
  sockets: "attachments and sockets here",
  environment: "environment of programs here",
  libraries: "libpcsclite",
  cardwire: "cardwire itself",
} as const;
export type Group = keyof typeof groups;

/**
 * - `good`: as it should be.
 * - `note`: worth knowing; also a check that could not be done.
 * - `warning`: works, but not for everybody, or not for long.
 * - `fault`: programs get no cards because of it.
 */
export type Level = "good" | "note" | "warning" | "fault";

export interface Check {
  readonly group: Group;
  readonly levels: readonly [Level, ...Level[]];
  /** What it means when doctor reports it. */
  readonly means: string;
}

/** One line of the table: where it is printed, how bad it can be, what it means. */
export const check = <const L extends readonly [Level, ...Level[]]>(
  group: Group,
  levels: L,
  means: string,
) => ({ group, levels, means });
