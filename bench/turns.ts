import { run } from "../test/lab/programs.ts";

export interface Turns {
  readonly count: number;
  /** One of them, µs. */
  readonly each: number;
  /** When the measured part began and ended, by the clock of waits.ts, ms. */
  readonly from: number;
  readonly to: number;
}

/** Runs turns.c, as alice: `count` transmits or begin+transmit+end, but no longer than `seconds`. */
export async function turns(
  program: string,
  options: {
    readonly socket: string;
    readonly what: "transmit" | "turn";
    readonly count: number;
    readonly seconds: number;
  },
): Promise<Turns> {
  const { socket, what, count, seconds } = options;
  const args = [what, `${count}`, `${seconds}`];
  const ran = await run(program, args, { user: "alice", env: { PCSCLITE_CSOCK_NAME: socket } });
  const [done = 0, us = 0, from = 0, to = 0] = ran.stdout.trim().split(" ").map(Number);
  if (ran.status !== 0 || done === 0) throw new Error(`${what} through ${socket}: ${ran.stderr}`);
  return { count: done, each: us / done, from, to };
}
