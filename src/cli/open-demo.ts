import { demoReaders } from "../services/software/demo.ts";
import type { OpenSource } from "./open-source.ts";
import type { Source } from "./sources.ts";

/** Opens a reader of this process with a new PIV card in it. */
export async function openDemo(source: Source): Promise<OpenSource> {
  const service = await demoReaders();
  return {
    source,
    name: source.text,
    service,
    server: "in software, with a PIV card",
    protocol: undefined,
    absence: undefined,
    roundTrip: async () => undefined,
    [Symbol.asyncDispose]: () => service[Symbol.asyncDispose](),
  };
}
