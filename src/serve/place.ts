import { hostname, networkInterfaces } from "node:os";
import * as v from "valibot";
import { DEFAULT_PORT } from "../carriers/tls/protocols.ts";
import { CardwireError } from "../domain/errors.ts";
import { isAnyAddress, isHostAddress } from "../domain/host-address.ts";
import { readPrivateFile, writePrivateFile } from "../host/private-file.ts";
import { MAX_ADDRESSES } from "../wire/join/token.ts";
import type { Store } from "./store.ts";

const Place = v.object({
  port: v.number(),
  addresses: v.array(v.string()),
  /** Whether people come with certificates of an organisation's. */
  organisation: v.optional(v.boolean(), false),
  /** The socket at which it listens to its administrator. */
  control: v.optional(v.string()),
});

/** Where `cardwire serve` listens, or did last: what an invitation tells where it is told nothing else. */
export type Place = Readonly<v.InferOutput<typeof Place>>;

const FILE = "place.json";

/** @throws {CardwireError} `E_STATE`, `E_DISK_FULL`, `E_LOCKED` */
export async function rememberPlace(store: Store, place: Place): Promise<void> {
  const text = `${JSON.stringify(place)}\n`;
  const path = store.file(FILE);
  await store.locked(async () => {
    if ((await readPrivateFile(path)) !== text) await writePrivateFile(path, text);
  });
}

/** The default port at all addresses, where it never ran. @throws {CardwireError} `E_STATE` */
export async function knownPlace(store: Store): Promise<Place> {
  try {
    const text = await readPrivateFile(store.file(FILE));
    return v.parse(Place, JSON.parse(text ?? ""));
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof v.ValiError)
      return { port: DEFAULT_PORT, addresses: [], organisation: false };
    throw error;
  }
}

/** Whether a serve has run with this state. @throws {CardwireError} `E_STATE` */
export const hasServed = async (store: Store): Promise<boolean> =>
  (await readPrivateFile(store.file(FILE))) !== undefined;

/** @throws {CardwireError} `E_NO_SERVE` where no serve has run, and nobody was invited. */
export async function checkUsed(store: Store, command: string): Promise<void> {
  const { identities, invitations } = await store.read();
  if (identities.length > 0 || invitations.length > 0 || (await hasServed(store))) return;
  throw new CardwireError("E_NO_SERVE", `no serve has run with ${store.path} yet`, {
    hint: `Run this as the user of serve, such as: sudo -u cardwire ${command}`,
  });
}

/** By what names others may reach this computer, which listens there: the best first, as many as a token has room for. */
export function reachable(listening: readonly string[]): readonly string[] {
  if (listening.length === 0 || listening.some(isAnyAddress)) return ownAddresses();
  return listening.filter(isHostAddress).slice(0, MAX_ADDRESSES);
}

/** By what names others may reach this computer, where it listens at all its addresses: the best first. */
export function ownAddresses(
  name: string = hostname(),
  interfaces: NodeJS.Dict<readonly Address[]> = networkInterfaces(),
): readonly string[] {
  const found = Object.values(interfaces)
    .flatMap((some) => some ?? [])
    .filter(({ internal, address }) => !internal && !/^(fe80:|169\.254\.)/i.test(address));
  const of = (family: string) =>
    found.filter((one) => one.family === family).map(({ address }) => address);
  const names = /^localhost\b/.test(name) ? [] : [name];
  return [...new Set([...names, ...of("IPv4"), ...of("IPv6")])]
    .filter(isHostAddress)
    .slice(0, MAX_ADDRESSES);
}

interface Address {
  readonly address: string;
  readonly family: string;
  readonly internal: boolean;
}
