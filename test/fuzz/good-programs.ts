import { PcscClient, SUCCESS } from "../pcsc/client.ts";

/** SCARD_E_TIMEOUT: what waiting for nothing ends in. */
const TIMEOUT = "0x8010000a";
const WAIT_MS = 300;

/** Real programs that use a reader while others misbehave. */
export interface GoodPrograms extends AsyncDisposable {
  /** What they saw that they should not have. */
  readonly problems: readonly string[];
  /** How many rounds the slowest has done. */
  readonly rounds: number;
}

/**
 * One counts the commands that the card carries out, one waits for a change that does not come, one lists readers in
 * ever new contexts.
 *
 * @param reader nobody else may use.
 */
export async function goodPrograms(socket: string, reader: string): Promise<GoodPrograms> {
  const problems: string[] = [];
  const rounds = [0, 0, 0];
  let stopped = false;
  const programs = rounds.map(() => new PcscClient(socket));
  const [worker, waiter, lister] = programs as [PcscClient, PcscClient, PcscClient];
  for (const program of programs) await program.must("establish", { context: "a" });
  await worker.must("connect", { context: "a", card: "c", reader });
  const [known] = (await waiter.call("change", { context: "a", readers: [[reader, 0]] }))[
    "states"
  ] as {
    readonly event: number;
    readonly counter: number;
  }[];
  let counted = 0;

  const expect = (what: string, got: unknown, wanted: unknown) => {
    const [is, should] = [JSON.stringify(got), JSON.stringify(wanted)];
    if (is !== should && !stopped) problems.push(`${what}: ${is}, not ${should}`);
  };
  const work = async () => {
    expect("begin", (await worker.call("begin", { card: "c" })).rv, SUCCESS);
    const { rv, answer } = await worker.call("transmit", { card: "c", apdu: "80e8000001aa" });
    counted += 1;
    expect("transmit", [rv, answer], [SUCCESS, `${counted.toString(16).padStart(8, "0")}9000`]);
    expect("end", (await worker.call("end", { card: "c" })).rv, SUCCESS);
  };
  const wait = async () => {
    const state = ((known?.counter ?? 0) << 16) | ((known?.event ?? 0) & ~2);
    const waiting = { context: "a", readers: [[reader, state]], timeout: WAIT_MS };
    expect("wait", (await waiter.call("change", waiting)).rv, TIMEOUT);
  };
  const list = async () => {
    expect("establish", (await lister.call("establish", { context: "b" })).rv, SUCCESS);
    const { rv, readers } = await lister.call("list", { context: "b" });
    expect("list", [rv, (readers as string[]).includes(reader)], [SUCCESS, true]);
    expect("release", (await lister.call("release", { context: "b" })).rv, SUCCESS);
  };
  const running = [work, wait, list].map(async (round, index) => {
    const goesOn = () => !stopped && problems.length < 10;
    while (goesOn()) {
      await round();
      rounds[index] = (rounds[index] ?? 0) + 1;
    }
  });
  const ended = Promise.all(running).catch((error: unknown) => {
    if (!stopped) problems.push(String(error));
  });

  return {
    problems,
    get rounds() {
      return Math.min(...rounds);
    },
    async [Symbol.asyncDispose]() {
      stopped = true;
      await Promise.all(programs.map((program) => program[Symbol.asyncDispose]()));
      await ended;
    },
  };
}
