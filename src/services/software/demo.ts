import { PivCard } from "../../software-cards/piv/card.ts";
import { provision } from "../../software-cards/piv/provision.ts";
import { SoftwareReaders } from "./service.ts";

/** The reader's name; programs take the digits at the end for reader and slot. */
export const DEMO_READER = "cardwire Demo 00 00";
/** Whose card it is, in its certificates. */
export const DEMO_HOLDER = "Demo Holder";

/** One reader with a PIV card in it that is ready for use: new keys, and the PIN that everybody knows. In memory only. */
export async function demoReaders(): Promise<SoftwareReaders> {
  const card = new PivCard(await provision({ name: DEMO_HOLDER, now: new Date() }));
  const readers = new SoftwareReaders([DEMO_READER]);
  await readers.insert(DEMO_READER, card);
  return readers;
}
