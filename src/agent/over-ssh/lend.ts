import { setTimeout as sleep } from "node:timers/promises";
import type { SshLine } from "../../carriers/ssh/line.ts";
import type { Published } from "../../carriers/ssh/remote-socket.ts";
import type { CardService } from "../../domain/card-service.ts";
import { CardwireError } from "../../domain/errors.ts";
import type { Watchable } from "../../domain/watchable.ts";
import { ServedLink } from "../../fronts/link/served-link.ts";
import type { LinkEnd } from "../../link/end.ts";
import { Hall } from "../../link/hall.ts";
import { FEATURES } from "../../link/versions.ts";
import type { LendOrder } from "../order.ts";
import { arrive } from "./arrive.ts";
import { AgentWay } from "./way.ts";

/** How long a line that is down may take to come back for the end, and the other end to hear of that, ms. */
const RETURN_MS = 5_000;
const FAREWELL_MS = 2_000;
/** How often it is looked whether it came back, ms. */
const LOOK_MS = 20;

export interface LendOptions {
  /** What the agent there is told, without what is made up here. */
  readonly order: Omit<LendOrder, "do" | "secret">;
  /** The Node.js to use over there, if somebody chose one. */
  readonly remoteNode: string | undefined;
  /** Who lends, for people there. */
  readonly about: string;
  /** Where programs there find the readers, once they do. */
  readonly published: Watchable<Published | undefined>;
}

/** Readers that are lent through an agent. Disposing ends that, and leaves the line alone. */
export interface Lending extends AsyncDisposable {
  readonly way: AgentWay;
}

/**
 * Makes readers of this computer usable on the one at the other end of a line, through an agent there that serves
 * programs by itself and keeps them through breaks of the line.
 *
 * @throws {NoAgent} when none can run there. @throws {CardwireError} why its socket cannot be there.
 */
export async function lendThroughAgent(
  service: CardService,
  line: SshLine,
  { order, remoteNode, about, published }: LendOptions,
  { signal }: { signal: AbortSignal },
): Promise<Lending> {
  const way = new AgentWay(line, {
    remoteNode,
    order: ({ secret }) => ({ do: "lend", secret, ...order }),
  });
  await way.start({ signal }).catch((error: unknown) => {
    throw explained(error, line.destination);
  });
  let session: LinkEnd | undefined;
  const hall = new Hall({
    secret: way.secret,
    most: order,
    features: FEATURES,
    about: () => about,
    serve: (end, { client }) => {
      session = end;
      return new ServedLink(service, end, { name: client });
    },
  });
  const life = new AbortController();
  const entered = (): void => {
    const { lent } = way.keeper ?? {};
    if (lent) published.set({ ...lent, closedDoor: lent.closedDoor, hasShell: true });
  };
  const arriving = arrive(way, hall, { entered, signal: life.signal });
  return {
    way,
    async [Symbol.asyncDispose]() {
      if (session?.isUp === false) await returned(line, session);
      await hall[Symbol.asyncDispose](); // the agent hears of it, and takes its socket away
      await Promise.race([arriving.idle(), sleep(FAREWELL_MS, undefined, { ref: false })]);
      life.abort(new CardwireError("E_CLOSED", "the share was ended"));
      await arriving.done;
    },
  };
}

/** A line that is down now may be up in a moment, and then the agent need not wait for the end of its grace time. */
async function returned(line: SshLine, session: LinkEnd): Promise<void> {
  line.hurry();
  const end = performance.now() + RETURN_MS;
  while (!session.isUp && performance.now() < end) await sleep(LOOK_MS);
}

/** What an agent may say of the place of its socket. */
const OF_PLACES = new Set([
  "E_SOCKET_DENIED",
  "E_SOCKET_IN_USE",
  "E_SOCKET_PATH",
  "E_NAME_IN_USE",
  "E_RUNTIME_DIR",
  "E_DISK_FULL",
  "E_GROUP",
  "E_LOCKED",
]);

/** It is meant for people here. */
function explained(error: unknown, host: string): unknown {
  if (!CardwireError.is(error) || !OF_PLACES.has(error.code)) return error;
  const { code, message, hint = "" } = error;
  const isPlain = code === "E_SOCKET_DENIED" || code === "E_SOCKET_PATH";
  const told = isPlain ? `${hint} --socket says where.`.trim() : hint;
  const more = told === "" ? {} : { hint: told };
  return new CardwireError(code, `on ${host}: ${message}`, { cause: error, ...more });
}
