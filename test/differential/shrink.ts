import type { Step } from "./step.ts";

/**
 * The least of `steps` that still fails, found by leaving out ever smaller parts: nothing that is left can be left out
 * alone. Asks at most `most` times.
 *
 * @param fails whether a sequence fails; it may leave out steps that make no sense without others.
 */
export async function shrink(
  steps: readonly Step[],
  fails: (steps: readonly Step[]) => Promise<boolean>,
  most: number,
): Promise<readonly Step[]> {
  let least = steps;
  let asked = 0;
  for (
    let size = Math.ceil(steps.length / 2);
    size >= 1;
    size = size === 1 ? 0 : Math.ceil(size / 2)
  ) {
    // From the end: what came late needs what came before it. The last step of all is where it failed.
    for (let end = least.length - 1; end > 0 && asked < most; end -= size) {
      const shorter = [...least.slice(0, Math.max(0, end - size)), ...least.slice(end)];
      asked += 1;
      if (await fails(shorter)) least = shorter;
    }
  }
  return least;
}
