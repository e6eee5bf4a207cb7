import { connect, createServer, type Socket } from "node:net";
import { type Order, words } from "../replay/bytes.ts";
import { Draw } from "./draw.ts";
import { HOSTILE_NUMBERS, mutate } from "./mutate.ts";
import { type RecordedConnection, recordedConnections } from "./recorded.ts";

/** The most that is sent by one that does not end, bytes. */
const ENDLESS = 4 << 20;
const CHUNK = Buffer.alloc(64 << 10, 0x41);

/** How a connection of a hostile daemon behaves; for each seed one. */
export interface Behaviour {
  readonly how: string;
  /** @param backend an honest daemon's socket. */
  readonly serve: (client: Socket, backend: string) => void;
}

let recorded: readonly RecordedConnection[] | undefined;

/** The behaviour of a seed's `number`-th connection. */
export function behaviourOf(draw: Draw, order: Order): Behaviour {
  const kind = draw.below(100);
  if (kind < 4) return { how: "closes at once", serve: (client) => client.destroy() };
  if (kind < 8) return { how: "silent", serve: (client) => client.resume() };
  if (kind < 14) {
    const bytes = draw.bytes(draw.pick([1, 8, 12, 24, 400, 3_000]));
    return { how: `random ${bytes.length}`, serve: (client) => answerWith(client, [bytes]) };
  }
  if (kind < 18) return { how: "endless", serve: endless };
  if (kind < 30) {
    recorded ??= recordedConnections();
    const { file, received } = draw.pick(recorded);
    const { bytes, how } = mutate(received, draw);
    const pieces = draw.chance(0.5) ? [bytes] : received;
    return { how: `${file} ${how}`, serve: (client) => answerWith(client, pieces) };
  }
  if (kind < 40) return honest;
  const change = anyChange(draw, order);
  return {
    how: change.how,
    serve: (client, backend) => pass(client, backend, change.apply(client)),
  };
}

const honest: Behaviour = {
  how: "honest",
  serve: (client, backend) => pass(client, backend, (reply) => reply),
};

/** A piece for each thing that is asked, whatever it is. */
function answerWith(client: Socket, pieces: readonly Buffer[]): void {
  let next = 0;
  client.on("data", () => {
    const piece = pieces[next];
    next += 1;
    if (piece) client.write(piece);
  });
}

function endless(client: Socket): void {
  let left = ENDLESS;
  const more = () => {
    while (left > 0 && !client.destroyed) {
      left -= CHUNK.length;
      if (!client.write(CHUNK)) return;
    }
  };
  client.on("drain", more);
  client.once("data", more);
  client.resume();
}

/** Passes requests on, and replies as `change` makes them. */
function pass(client: Socket, backend: string, change: (reply: Buffer) => Buffer): void {
  const upstream = connect(backend);
  upstream.on("error", () => {});
  client.on("data", (chunk) => upstream.write(chunk));
  upstream.on("data", (chunk) => {
    const changed = change(chunk);
    if (changed.length > 0 && !client.destroyed) client.write(changed);
  });
  upstream.on("close", () => client.destroySoon());
  client.on("close", () => upstream.destroy());
}

type Apply = (client: Socket) => (reply: Buffer) => Buffer;

/** Something happens once, or again and again, when so many bytes of replies have gone by. */
function anyChange(draw: Draw, order: Order): { how: string; apply: Apply } {
  const at = draw.pick([
    0,
    4,
    8,
    12,
    16,
    24,
    36,
    draw.below(200),
    draw.below(6_000),
    draw.below(60_000),
  ]);
  const again = draw.chance(0.3);
  const value = draw.pick(HOSTILE_NUMBERS);
  const random = draw.bytes(draw.pick([1, 4, 8, 100]));
  const bit = draw.below(8);
  const kinds: Readonly<Record<string, (reply: Buffer, from: number, client: Socket) => Buffer>> = {
    flip: (reply, from) => {
      const changed = Buffer.from(reply);
      changed[from] = (changed[from] ?? 0) ^ (1 << bit);
      return changed;
    },
    word: (reply, from) => {
      const changed = Buffer.from(reply);
      const word = from - (from % 4);
      if (word + 4 <= changed.length) words(order, value).copy(changed, word);
      return changed;
    },
    result: (reply) => {
      const changed = Buffer.from(reply);
      if (changed.length >= 4) words(order, value).copy(changed, changed.length - 4);
      return changed;
    },
    insert: (reply, from) => Buffer.concat([reply.subarray(0, from), random, reply.subarray(from)]),
    event: (reply, from) =>
      Buffer.concat([reply.subarray(0, from), words(order, 0, 0), reply.subarray(from)]),
    eventBehind: (reply) => Buffer.concat([reply, words(order, 0, 0x80100002)]),
    remove: (reply, from) => Buffer.concat([reply.subarray(0, from), reply.subarray(from + 4)]),
    twice: (reply) => Buffer.concat([reply, reply]),
    withhold: () => Buffer.alloc(0),
    cut: (reply, from, client) => {
      client.write(reply.subarray(0, from));
      client.destroySoon();
      return Buffer.alloc(0);
    },
  };
  const how = draw.pick(Object.keys(kinds));
  const change = kinds[how] ?? ((reply) => reply);
  const apply: Apply = (client) => {
    let gone = 0;
    let isDone = false;
    return (reply) => {
      const from = at - gone;
      gone += reply.length;
      if (isDone || from >= reply.length) return reply;
      isDone = !again;
      return change(reply, Math.max(0, from), client);
    };
  };
  return { how: `${how} at ${at}${again ? " and on" : ""}`, apply };
}

export interface HostileDaemon extends AsyncDisposable {
  /** What was done to each connection so far. */
  readonly how: readonly string[];
}

/** Listens at `path`; each connection behaves as the seed has it. */
export async function hostileDaemon(
  path: string,
  { seed, order, backend }: { seed: number; order: Order; backend: string },
): Promise<HostileDaemon> {
  const draw = new Draw(seed);
  // A service that never gets as far as to see readers has little that could be spoilt.
  const honestAtFirst = draw.pick([0, 0, 1, 2, 3]);
  const how: string[] = [];
  const clients = new Set<Socket>();
  const server = createServer((client) => {
    clients.add(client);
    client.on("error", () => {});
    client.on("close", () => clients.delete(client));
    const behaviour = how.length < honestAtFirst ? honest : behaviourOf(draw, order);
    how.push(behaviour.how);
    behaviour.serve(client, backend);
  });
  await new Promise<void>((resolve) => {
    server.listen(path, resolve);
  });
  return {
    how,
    async [Symbol.asyncDispose]() {
      for (const client of clients) client.destroy();
      await new Promise((resolve) => {
        server.close(resolve);
      });
    },
  };
}
