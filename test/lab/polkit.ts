import { copyFile, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { runInMountsOf } from "./mounts.ts";
import { publicDirectory, until } from "./processes.ts";
import { PATH, start } from "./programs.ts";

/** Where every Linux has polkit's actions, and its administrator's rules (polkit(8)). */
const ACTIONS = "/usr/share/polkit-1/actions";
const RULES = "/etc/polkit-1/rules.d";

/** A real polkitd on a system bus of the test's own. */
export interface Polkit extends AsyncDisposable {
  /** Runs a shell script as root where polkitd's {@link RULES} are the system's. */
  readonly script: (text: string) => Promise<void>;
  /** Mounts what shows that polkit knows pcscd in the mount namespace of process `pid`. */
  readonly showIn: (pid: number) => Promise<void>;
  /** Resolves when polkitd has read a change of its rules. */
  readonly reloaded: (change: () => Promise<void>) => Promise<void>;
}

/**
 * Starts the system bus and polkitd, and resolves when it can be asked. There are no rules but those of the system's own
 * packages.
 *
 * @param policies a folder with policies of actions that polkitd is to know besides its own, such as pcscd's.
 */
export async function startPolkit(policies: string): Promise<Polkit> {
  const actions = await publicDirectory("actions");
  const rules = await publicDirectory("rules");
  for (const folder of [policies, ACTIONS])
    for (const file of await readdir(folder))
      if (/org\.(freedesktop\.policykit|debian\.pcsc-lite)\.policy$/.test(file))
        await copyFile(join(folder, file), join(actions, file));
  const setup = [
    'mount --bind "$1" /usr/share/polkit-1/actions',
    'mount --bind "$2" /etc/polkit-1/rules.d',
    "mkdir -p /run/dbus",
    "dbus-daemon --system --nofork --nopidfile &",
    "while ! [ -S /run/dbus/system_bus_socket ]; do sleep 0.05; done",
    "exec /usr/lib/polkit-1/polkitd",
  ].join("\n");
  const unshare = ["--mount", "--propagation", "private", "--", "/bin/sh", "-ec", setup, "polkit"];
  const daemon = start("unshare", [...unshare, actions, rules], { env: { PATH } });
  await daemon.waitForLine(/Acquired the name org\.freedesktop\.PolicyKit1/);
  const loads = (): number => daemon.output.split("Finished loading").length;
  return {
    script: (text) => runInMountsOf(daemon.pid, ["/bin/sh", "-ec", text]),
    showIn: (pid) => runInMountsOf(pid, ["mount", "--bind", actions, ACTIONS]),
    reloaded: async (change) => {
      const before = loads();
      await change();
      await until("polkitd to load its rules", () => loads() > before);
    },
    async [Symbol.asyncDispose](): Promise<void> {
      await daemon.stop();
      await rm("/run/dbus", { recursive: true, force: true });
      await rm(actions, { recursive: true });
      await rm(rules, { recursive: true });
    },
  };
}

/** Where an administrator puts rules, as seen by {@link Polkit.script}. */
export const RULES_DIRECTORY = RULES;
