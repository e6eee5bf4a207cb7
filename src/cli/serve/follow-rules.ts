import { stat } from "node:fs/promises";
import { configPath } from "../../host/config-file.ts";
import { emit } from "../../observe/events.ts";
import type { Policy } from "../../services/policy/policy.ts";
import { rulesOfSettings } from "../policy-test.ts";

/** How often the settings file is looked at, ms. */
const LOOK_MS = 1_000;

/** Takes the rules over whenever the settings file changes. One with a mistake changes nothing. */
export function followRules(policy: Policy): Disposable {
  let seen: number | undefined;
  const reload = async (): Promise<void> => {
    try {
      policy.update(await rulesOfSettings());
      emit("cardwire:trouble", () => ({ what: "the rules in the settings file are in force" }));
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      emit("cardwire:trouble", () => ({ what: `the rules stay as they were: ${why}` }));
    }
  };
  const look = async (): Promise<void> => {
    const { mtimeMs = 0 } = (await stat(configPath()).catch(() => undefined)) ?? {};
    const isNews = seen !== undefined && seen !== mtimeMs;
    seen = mtimeMs;
    if (isNews) await reload();
  };
  void look(); // never rejects, as reload does not
  const timer = setInterval(() => void look(), LOOK_MS);
  timer.unref();
  return {
    [Symbol.dispose]() {
      clearInterval(timer);
    },
  };
}
