import { spawn } from "node:child_process";
import { CardwireError } from "../domain/errors.ts";
import { isInForeground } from "../host/terminal.ts";

/** Passed on to the program. */
const FORWARDED = ["SIGINT", "SIGQUIT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2"] as const;
/** What is typed at the terminal sends these to every process in its foreground, the program included. */
const FROM_TERMINAL: ReadonlySet<string> = new Set(["SIGINT", "SIGQUIT"]);

/**
 * Runs a program in this process's terminal and passes signals on to it.
 *
 * @returns its exit status, or the signal that ended it.
 * @throws {CardwireError} `E_NOT_FOUND` or `E_CANNOT_RUN` when it cannot be started.
 */
export async function runProgram(
  program: string,
  args: readonly string[],
  { env }: { env: Readonly<Record<string, string | undefined>> },
): Promise<number | NodeJS.Signals> {
  const forwards = FORWARDED.map((name) => {
    const forward = () => {
      if (!(FROM_TERMINAL.has(name) && isInForeground())) child.kill(name);
    };
    process.on(name, forward);
    return () => process.off(name, forward);
  });
  // After the handlers, without which a signal that comes meanwhile would end us before our clean-up.
  const child = spawn(program, args, { stdio: "inherit", env: { ...env } });
  try {
    return await new Promise((resolve, reject) => {
      child.once("error", (cause) => reject(cannotRun(program, cause)));
      child.once("exit", (status, signal) => resolve(signal ?? status ?? 0));
    });
  } finally {
    for (const stop of forwards) stop();
  }
}

function cannotRun(program: string, cause: Error): CardwireError {
  if ("code" in cause && cause.code === "ENOENT")
    return new CardwireError("E_NOT_FOUND", `there is no program ${program}`, {
      cause,
      hint: "Is it installed, and in a folder of PATH?",
    });
  return new CardwireError("E_CANNOT_RUN", `${program} cannot be run: ${cause.message}`, {
    cause,
    hint: `'ls -l' shows whether it is a program that you may run.`,
  });
}
