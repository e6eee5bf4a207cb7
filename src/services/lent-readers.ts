import type { CardService, Reader } from "../domain/card-service.ts";
import { ReturnCodeError } from "../domain/errors.ts";
import { Rv } from "../domain/return-codes.ts";

/**
 * `inner`, reduced to the readers whose name `isLent` accepts. The others do not exist: they are not listed and not
 * found. Disposing it disposes `inner`.
 */
export function lentReaders(inner: CardService, isLent: (name: string) => boolean): CardService {
  // The same list gives the same list: fronts remember what they made of one.
  const known = new WeakMap<readonly Reader[], readonly Reader[]>();
  const lent = (readers: readonly Reader[]): readonly Reader[] => {
    const reduced = known.get(readers) ?? readers.filter(({ name }) => isLent(name));
    known.set(readers, reduced);
    return reduced;
  };
  return {
    get readers() {
      return lent(inner.readers);
    },
    async *watch(options) {
      for await (const readers of inner.watch(options)) yield lent(readers);
    },
    connect: async (reader, how, options) => {
      if (!isLent(reader)) throw new ReturnCodeError("SCardConnect", Rv.UnknownReader);
      return await inner.connect(reader, how, options);
    },
    [Symbol.asyncDispose]: () => inner[Symbol.asyncDispose](),
  };
}
