import type { Reader } from "../domain/card-service.ts";
import { Rv } from "../domain/return-codes.ts";

/** How a reader answered the feature query (PC/SC part 10, section 2.2). */
export type FeatureAnswer = { readonly data: Uint8Array } | { readonly rv: number };

/** Refusals that say something about the reader; others, such as a held card, pass. */
const LASTING: ReadonlySet<number> = new Set([Rv.UnsupportedFeature, Rv.NotTransacted]);

/**
 * Remembers how each reader answered the feature query, which OpenSC asks of every reader again and again. Features
 * belong to the reader: they are known for as long as it is there. A refusal is believed only until a card comes or
 * goes, since a driver may refuse for want of one.
 */
export class Features {
  readonly #known = new Map<string, { answer: FeatureAnswer; eventCounter: number }>();

  recall({ name, eventCounter }: Reader): FeatureAnswer | undefined {
    const known = this.#known.get(name);
    if (!known) return undefined;
    if ("data" in known.answer || known.eventCounter === eventCounter) return known.answer;
    return undefined;
  }

  remember({ name, eventCounter }: Reader, answer: FeatureAnswer): void {
    if ("data" in answer || LASTING.has(answer.rv)) this.#known.set(name, { answer, eventCounter });
  }

  /** Forgets readers that are gone. */
  keepOnly(readers: readonly Reader[]): void {
    const names = new Set(readers.map(({ name }) => name));
    for (const name of this.#known.keys()) if (!names.has(name)) this.#known.delete(name);
  }
}
