/** One thing that a program does with the card. */
export interface Step {
  /** In one or two words: `list`. */
  readonly name: string;
  /** By what it is done: a command line, or a function of PC/SC. */
  readonly by: string;
  /** Does it, and resolves with what came of it, for people. */
  readonly run: (options: { readonly signal: AbortSignal }) => Promise<string>;
}

/** A program's way through the card: what people do first. */
export interface Walk {
  /** Who walks: `OpenSC 0.23.0`. */
  readonly by: string;
  readonly steps: readonly Step[];
}

/** What is signed. Anybody may see it. */
export const MESSAGE = Buffer.from("cardwire demo: signed by a card that is somewhere else\n");
