import { CardwireError, ProtocolError } from "../../domain/errors.ts";
import { type CardFile, openCardFile } from "../../host/card-file.ts";
import { PivCard } from "../../software-cards/piv/card.ts";
import { readState, writeState } from "../../software-cards/piv/state-text.ts";
import type { PivState } from "../../software-cards/piv/state.ts";

/** A PIV card whose state lies in a file. Disposing it lets others have the file. */
export interface PivCardInFile extends AsyncDisposable {
  readonly card: PivCard;
  readonly path: string;
}

/**
 * Opens the card in a file. Whatever it changes is in the file before the program is answered.
 *
 * @param onFailure is told, each time, why the file could not be written; the card answers `6581` then.
 * @throws {CardwireError} `E_CARD_IN_USE`; `E_CARD_FILE` when it cannot be read, or is no PIV card's.
 */
export async function openPivCard(
  path: string,
  onFailure: (why: unknown) => void,
): Promise<PivCardInFile> {
  const file = await openCardFile(path);
  try {
    const save = async (state: PivState): Promise<void> => {
      try {
        await file.write(writeState(state));
      } catch (error) {
        onFailure(error);
        throw error;
      }
    };
    const card = new PivCard(stateIn(file), { save });
    return { card, path: file.path, [Symbol.asyncDispose]: () => file[Symbol.asyncDispose]() };
  } catch (error) {
    await file[Symbol.asyncDispose]();
    throw error;
  }
}

function stateIn({ path, text }: CardFile): PivState {
  try {
    return readState(text);
  } catch (cause) {
    if (!(cause instanceof ProtocolError)) throw cause;
    throw new CardwireError("E_CARD_FILE", `${path}: ${cause.message}`, {
      cause,
      hint: "What another program changed, only a copy of the file brings back; what a newer cardwire wrote, that one reads. 'cardwire card new piv' makes a new card.",
    });
  }
}
