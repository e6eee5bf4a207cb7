import type { CardService, Reader } from "../domain/card-service.ts";
import { innerName, outerName } from "../domain/reader-name.ts";

/** A host's readers under the names that they have in a list of several hosts' readers. */
export class Labelled {
  readonly service: CardService;
  readonly #label: string;
  #inner: readonly Reader[] = [];
  #outer: readonly Reader[] = [];

  /** @param label of the host: see {@link outerName}. */
  constructor(label: string, service: CardService) {
    this.#label = label;
    this.service = service;
  }

  /** The same array for as long as the service gives the same one: others know by that that nothing changed. */
  get readers(): readonly Reader[] {
    const { readers } = this.service;
    if (readers !== this.#inner) {
      this.#inner = readers;
      this.#outer = readers.map((reader) => ({
        ...reader,
        name: outerName(this.#label, reader.name),
      }));
    }
    return this.#outer;
  }

  /**
   * The reader's name on its own host; `undefined` when it cannot be one of this host. One that is not listed now is
   * for the host to judge: it may be just coming.
   */
  innerName(outer: string): string | undefined {
    const listed = this.readers.findIndex(({ name }) => name === outer);
    return this.#inner[listed]?.name ?? innerName(this.#label, outer);
  }
}
