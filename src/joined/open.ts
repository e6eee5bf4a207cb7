import { hostname, userInfo } from "node:os";
import { CardwireError } from "../domain/errors.ts";
import { cardwireText, type Where } from "../domain/where.ts";
import {
  type RemoteService,
  type RemoteServiceOptions,
  remoteService,
} from "../services/remote/service.ts";
import { hostsPath, isJoined, joinedNames, readHost } from "./hosts.ts";
import { JoinedWay } from "./way.ts";

export type CardwirePlace = Extract<Where, { kind: "cardwire" }>;

/**
 * The name here of a host that was joined: it is named, or one of its addresses is.
 *
 * @throws {CardwireError} `E_NOT_JOINED`; `E_STATE` when what is known of hosts cannot be read.
 */
export async function joinedName(
  { host, port }: CardwirePlace,
  path = hostsPath(),
): Promise<string> {
  const isThere = async (name: string) =>
    port === undefined || (await readHost(name, path)).port === port;
  if ((await isJoined(host, path)) && (await isThere(host))) return host;
  for (const name of await joinedNames(path))
    if ((await readHost(name, path)).addresses.includes(host) && (await isThere(name))) return name;
  throw new CardwireError("E_NOT_JOINED", `${cardwireText(host, port)} was not joined from here`, {
    hint: "'cardwire invite NAME' on the card host prints a token, 'cardwire join' here takes it.",
  });
}

/** The readers of a host that was joined. Both are to be disposed, the service first. */
export interface OpenJoined {
  readonly way: JoinedWay;
  readonly service: RemoteService;
}

/** Opens them. @throws {CardwireError} why they cannot be reached, with what to do. */
export async function openJoined(
  place: CardwirePlace,
  options: Omit<RemoteServiceOptions, "about">,
  { signal }: { signal: AbortSignal },
): Promise<OpenJoined> {
  const way = new JoinedWay(await joinedName(place));
  try {
    const about = `${userInfo().username}@${hostname()}`;
    return { way, service: await remoteService(way, { ...options, about }, { signal }) };
  } catch (error) {
    await way[Symbol.asyncDispose]();
    throw error;
  }
}
