/** What a command needs of the process around it; tests hand in their own. */
export interface Io {
  /** Results: one line, or several. */
  readonly out: (text: string) => void;
  /** Everything else. */
  readonly err: (text: string) => void;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** How a command ends: what the shell sees. */
export const ExitCode = {
  Good: 0,
  Failed: 1,
  WrongUsage: 2,
  CannotRun: 126,
  NotFound: 127,
} as const;
