/** What a command needs of the process around it; tests hand in their own. */
export interface Io {
  /** Results: one line, or several. */
  readonly out: (text: string) => void;
  /** Everything else. */
  readonly err: (text: string) => void;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Which of the two a person looks at. Absent: neither. */
  readonly isTerminal?: { readonly out: boolean; readonly err: boolean };
}

/** Tells how the process ends: with a status, or as a signal ends it. */
export type Exit = (how: number | NodeJS.Signals) => void;

/** How a command ends: what the shell sees. */
export const ExitCode = {
  Good: 0,
  Failed: 1,
  WrongUsage: 2,
  CannotRun: 126,
  NotFound: 127,
} as const;

const statuses: Readonly<Record<string, number>> = {
  E_USAGE: ExitCode.WrongUsage,
  E_WHERE: ExitCode.WrongUsage,
  E_NAME: ExitCode.WrongUsage,
  E_SSH_COMMAND: ExitCode.WrongUsage,
  E_NOT_FOUND: ExitCode.NotFound,
  E_CANNOT_RUN: ExitCode.CannotRun,
};

/** The exit status after an error with that code. */
export const exitStatus = (code: string): number => statuses[code] ?? ExitCode.Failed;
