/** How often each looks, ms. */
export const LOOK_MS = 1_000;
/** How many look in one go: so many signs of life, should all of them ask for one, are sent in a few ms. */
const MOST_TOGETHER = 100;

/** Those who look at the same moments. */
interface Group {
  readonly looks: Set<() => void>;
  readonly timer: NodeJS.Timeout;
}

const groups = new Set<Group>();

/**
 * Calls `look` every second until what is returned is called. A hundred share one timer: a process with a thousand links
 * of which nothing is wanted is woken ten times a second, and not a thousand times. It is not kept alive by this.
 *
 * @param look does not throw.
 */
export function lookRegularly(look: () => void): () => void {
  const group = roomy() ?? begin();
  const own = (): void => look(); // the same function may look twice
  group.looks.add(own);
  return () => {
    if (!group.looks.delete(own) || group.looks.size > 0) return;
    clearInterval(group.timer);
    groups.delete(group);
  };
}

function roomy(): Group | undefined {
  for (const group of groups) if (group.looks.size < MOST_TOGETHER) return group;
  return undefined;
}

function begin(): Group {
  const looks = new Set<() => void>();
  const timer = setInterval(() => {
    for (const look of looks) look();
  }, LOOK_MS);
  timer.unref();
  const group = { looks, timer };
  groups.add(group);
  return group;
}
