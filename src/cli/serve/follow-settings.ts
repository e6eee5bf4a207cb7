import { stat } from "node:fs/promises";
import { configPath } from "../../host/config-file.ts";
import { emit } from "../../observe/events.ts";
import type { LiveSettings } from "../settings/own.ts";
import type { ServeSettings } from "../settings/serve-settings.ts";

/** How often the settings file is looked at, ms. */
const LOOK_MS = 1_000;

/**
 * Has `apply` take the settings over whenever the file changes. One with a mistake changes nothing. What takes another
 * start is said, once for each change.
 *
 * @param from those that are in force now.
 */
export function followSettings(
  { load, fixed }: LiveSettings,
  from: ServeSettings,
  apply: (settings: ServeSettings) => void,
  path = configPath(),
): Disposable {
  let seen = stampOf(path);
  let told = "";
  const reload = async (): Promise<void> => {
    try {
      const settings = await load();
      apply(settings);
      say("the settings file is in force as it is now");
      const waiting = changed(from, settings, fixed).join(", ");
      if (waiting !== "" && waiting !== told) say(`these take another start of serve: ${waiting}`);
      told = waiting;
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      say(`the settings stay as they were: ${why}`);
    }
  };
  const look = async (): Promise<void> => {
    const now = stampOf(path);
    const isNews = (await seen) !== (await now);
    seen = now;
    if (isNews) await reload();
  };
  const timer = setInterval(() => void look(), LOOK_MS); // never rejects, as reload does not
  timer.unref();
  return {
    [Symbol.dispose]() {
      clearInterval(timer);
    },
  };
}

/**
 * By what one state of a file is told from the next. Its time of modification alone may be an older file's, as `cp -p`
 * and packages have it, or the same within a tick of the kernel's clock. Never rejects.
 */
async function stampOf(path: string): Promise<string> {
  const found = await stat(path, { bigint: true }).catch(() => undefined); // there is none
  if (!found) return "";
  return [found.dev, found.ino, found.size, found.mtimeNs, found.ctimeNs].join(" ");
}

const say = (what: string): void => emit("cardwire:trouble", () => ({ what }));

/** The settings among `fixed` that are others now, by their names. */
const changed = (
  before: ServeSettings,
  now: ServeSettings,
  fixed: LiveSettings["fixed"],
): readonly string[] =>
  [...fixed]
    .filter(([attribute]) => text(before.options[attribute]) !== text(now.options[attribute]))
    .map(([, name]) => name);

const text = (value: unknown): string => JSON.stringify(value) ?? "";
