import type { Reader } from "../../domain/card-service.ts";
import { ReturnCodeError } from "../../domain/errors.ts";
import { Rv } from "../../domain/return-codes.ts";
import { Features } from "../features.ts";
import { Constants } from "./constants.ts";

/** What readers told once, and need not be asked again. */
export class Told {
  readonly #features = new Features();
  readonly #constants = new Constants();

  /** The answer to the feature query. @throws {ReturnCodeError} as it was refused. */
  async features(reader: Reader, ask: () => Promise<Uint8Array>): Promise<Uint8Array> {
    const known = this.#features.recall(reader);
    if (!known) return await noted(ask, (answer) => this.#features.remember(reader, answer));
    if ("data" in known) return known.data;
    throw new ReturnCodeError("SCardControl", known.rv);
  }

  /** An attribute, asked for once if it is constant. @throws {ReturnCodeError} as it was refused. */
  async attribute(reader: Reader, id: number, ask: () => Promise<Uint8Array>): Promise<Uint8Array> {
    const known = this.#constants.recall(reader, id);
    if (!known)
      return await noted(ask, (answer) => {
        const isLasting = "data" in answer || answer.rv === Rv.UnsupportedFeature;
        if (isLasting) this.#constants.remember(reader, id, answer);
      });
    if ("data" in known) return known.data;
    throw new ReturnCodeError("SCardGetAttrib", known.rv);
  }

  /** Forgets readers that are gone. */
  keepOnly(readers: readonly Reader[]): void {
    this.#features.keepOnly(readers);
    this.#constants.keepOnly(readers);
  }
}

type Answer = { readonly data: Uint8Array } | { readonly rv: number };

async function noted(
  ask: () => Promise<Uint8Array>,
  note: (answer: Answer) => void,
): Promise<Uint8Array> {
  try {
    const data = await ask();
    note({ data });
    return data;
  } catch (error) {
    if (error instanceof ReturnCodeError) note({ rv: error.rv });
    throw error;
  }
}
