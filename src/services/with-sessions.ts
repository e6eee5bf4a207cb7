import type { CardService, CardSession, ConnectOptions } from "../domain/card-service.ts";

/** `inner`, each of whose sessions is replaced by what `wrap` makes of it. */
export const withSessions = (
  inner: CardService,
  wrap: (session: CardSession, about: { reader: string; how: ConnectOptions }) => CardSession,
): CardService => ({
  get readers() {
    return inner.readers;
  },
  watch: (options) => inner.watch(options),
  connect: async (reader, how, options) => {
    const { session, activeProtocol } = await inner.connect(reader, how, options);
    return { session: wrap(session, { reader, how }), activeProtocol };
  },
  [Symbol.asyncDispose]: () => inner[Symbol.asyncDispose](),
});
