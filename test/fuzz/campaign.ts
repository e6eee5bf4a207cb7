// Runs many inputs, and makes of one that fails the smallest that fails.

export interface Case {
  readonly seed: number;
  readonly how: string;
  readonly bytes: Buffer;
}

export interface Campaign<C extends Case> {
  readonly name: string;
  /** How many inputs, from seed {@link from} on. */
  readonly count: number;
  readonly from?: number;
  /** How many at once; one unless told. */
  readonly atOnce?: number;
  readonly make: (seed: number) => C;
  /** @returns what became of it, to be counted. @throws {Error} what is wrong. */
  readonly judge: (input: C) => string | void | Promise<string | void>;
  /** The same input with other bytes, where a failing one may be made smaller. */
  readonly withBytes?: (input: C, bytes: Buffer) => C;
}

/** One seed to run alone, or as many inputs of each campaign as there is time for: see CONTRIBUTING.md. */
const only = process.env["FUZZ_SEED"];
const share = Number(process.env["FUZZ_SHARE"] ?? 1);

/** Figures, for who watches a long run. */
export const tell = (line: string): void => void process.stdout.write(`fuzz: ${line}\n`);

/** Whether all of it runs. */
export const isWhole = only === undefined && share === 1;

/** How often a failing input is tried with less of it. */
const MAX_ATTEMPTS = 600;

/**
 * Judges every input. @returns how many there were.
 *
 * @throws {Error} of the first that fails, with its seed and the smallest bytes that still fail, in hex.
 */
export async function campaign<C extends Case>(plan: Campaign<C>): Promise<number> {
  const { name, from = 1, atOnce = 1 } = plan;
  const first = only === undefined ? from : Number(only);
  const count = only === undefined ? Math.ceil(plan.count * share) : 1;
  const started = performance.now();
  const outcomes = new Map<string, number>();
  let next = first;
  let failure: Error | undefined;
  const work = async () => {
    while (next < first + count && !failure) {
      const input = plan.make(next);
      next += 1;
      try {
        const outcome = (await plan.judge(input)) ?? "judged";
        outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
      } catch (error) {
        failure ??= await explain(plan, input, error);
      }
    }
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  if (failure) throw failure;
  const seconds = Math.round((performance.now() - started) / 1000);
  const how = [...outcomes].map(([outcome, times]) => `${times} ${outcome}`).join(", ");
  tell(`${name}: ${count} inputs in ${seconds} s: ${how}`);
  return count;
}

async function explain<C extends Case>(
  { name, judge, withBytes }: Campaign<C>,
  input: C,
  cause: unknown,
): Promise<Error> {
  const fails = async (bytes: Buffer): Promise<boolean> => {
    if (!withBytes) return false;
    try {
      await judge(withBytes(input, bytes));
      return false;
    } catch {
      return true;
    }
  };
  const smallest = await minimise(input.bytes, fails);
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new Error(
    `${name}: seed ${input.seed} (${input.how}): ${reason}\n${smallest.length} of ${input.bytes.length} bytes suffice: ${smallest.toString("hex")}`,
    { cause },
  );
}

/** Takes pieces out, ever smaller ones, as long as what is left still fails; then makes bytes 0. */
export async function minimise(
  bytes: Buffer,
  fails: (bytes: Buffer) => Promise<boolean>,
): Promise<Buffer> {
  let smallest = bytes;
  let left = MAX_ATTEMPTS;
  /** @returns whether the candidate took the place of the smallest. */
  const take = async (candidate: Buffer): Promise<boolean> => {
    left -= 1;
    if (left < 0 || !(await fails(candidate))) return false;
    smallest = candidate;
    return true;
  };
  for (let size = 2 ** Math.ceil(Math.log2(bytes.length + 1)); size >= 1; size /= 2) {
    for (let at = 0; at < smallest.length; ) {
      const less = Buffer.concat([smallest.subarray(0, at), smallest.subarray(at + size)]);
      if (!(await take(less))) at += size;
    }
  }
  for (const [at, byte] of smallest.entries()) {
    const simpler = Buffer.from(smallest);
    simpler[at] = 0;
    if (byte !== 0) await take(simpler);
  }
  return smallest;
}
