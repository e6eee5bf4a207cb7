import { once } from "node:events";
import type { Socket } from "node:net";
import { dial } from "../../src/host/dial.ts";
import { request, words } from "../replay/bytes.ts";
import { RawClient, rawClient } from "../replay/client.ts";
import { Cmd } from "../replay/commands.ts";
import { until } from "../lab/processes.ts";
import { Draw } from "./draw.ts";
import { HOSTILE_READER } from "./inputs.ts";

// Clients that misbehave by their number, by what they ask again and again, and by what they do not read.

const open = (path: string): Promise<Socket> => dial(path, { signal: AbortSignal.timeout(60_000) });

/** Connects that are given up at once, in every way, `atOnce` at a time. */
export async function connectStorm(
  path: string,
  { count, atOnce = 100 }: { count: number; atOnce?: number },
) {
  const version = request("little", Cmd.Version, words("little", 4, 4, 0));
  let left = count;
  const work = async () => {
    while (left > 0) {
      left -= 1;
      const socket = await open(path);
      if (left % 3 > 0) socket.write(version.subarray(0, left % 25));
      if (left % 2 > 0) socket.destroy();
      else socket.end();
      socket.resume();
      if (!socket.closed) await once(socket, "close");
    }
  };
  await Promise.all(Array.from({ length: atOnce }, work));
}

/** SCardCancel of contexts that are guessed, each the first message of a connection, as libpcsclite does it. */
export async function cancelStorm(path: string, { count, seed }: { count: number; seed: number }) {
  const draw = new Draw(seed);
  using client = await rawClient(path);
  for (let sent = 0; sent < count; sent++) {
    const number = draw.pick([0, 1, sent, 0x7fffffff - sent, 0xffffffff, draw.below(2 ** 31)]);
    const rv = await client.result(Cmd.Cancel, number, 0);
    if (rv !== 0x80100003) throw new Error(`a guessed context ${number} was cancelled: ${rv}`);
  }
}

const PROTO_MISMATCH = 0x8010000f;

/**
 * Whoever connects directly and in raw mode to a card without power makes pcscd refuse every other connect until a reset
 * (docs/compatibility.md, "Defects of others"), and hostile clients do that.
 */
async function reset(client: RawClient, context: number): Promise<void> {
  const { card, rv } = await client.connect(context, HOSTILE_READER, { share: 3 });
  if (rv !== 0) return;
  await client.result(Cmd.Reconnect, card, 3, 3, 1, 0, 0);
  await client.result(Cmd.Disconnect, card, 0, 0);
}

/** vpcd is slow to see that a card is there again which hostile commands made it lose. */
async function connected(client: RawClient, context: number): Promise<number> {
  let last = 0;
  const connect = async () => {
    const { card, rv } = await client.connect(context, HOSTILE_READER);
    last = rv;
    if (rv === PROTO_MISMATCH) await reset(client, context);
    return rv === 0 && card;
  };
  return await until("the card to be there", connect, 60_000).catch((cause: unknown) => {
    throw new Error(`the hostile clients' reader stays away: 0x${last.toString(16)}`, { cause });
  });
}

/** One client names the handle and the context of another. @throws {Error} when that does anything. */
export async function useOfOthers(path: string): Promise<void> {
  using owner = await rawClient(path);
  const context = await owner.establish();
  const card = await connected(owner, context);
  for (const [command, ...values] of [
    [Cmd.Status, card, 0],
    [Cmd.Begin, card, 0],
    [Cmd.End, card, 1, 0],
    [Cmd.Disconnect, card, 2, 0],
    [Cmd.Reconnect, card, 2, 3, 1, 0, 0],
    [Cmd.Transmit, card, 2, 16, 0, 3, 16, 258, 0],
    [Cmd.Control, card, 0x42000d48, 0, 264, 0, 0],
  ] as const) {
    using thief = await rawClient(path);
    await thief.establish();
    thief.send(command, words("little", ...values));
    const isAnswered = await thief.take(1).then(Boolean, () => false); // it rejects when it is hung up on
    if (isAnswered) throw new Error(`command ${command} on another's handle was answered`);
  }
  using thief = await rawClient(path);
  const own = await thief.establish();
  const stolen = await thief.result(Cmd.Release, context, 0);
  if (stolen !== 0x80100011) throw new Error(`another's context was released: ${stolen}`);
  const foreign = await thief.connect(context, HOSTILE_READER);
  if (foreign.rv !== 0x80100011) throw new Error(`another's context is good: ${foreign.rv}`);
  if ((await thief.result(Cmd.Release, own, 0)) !== 0) throw new Error("the own one is not");
  if ((await owner.result(Cmd.Status, card, 0)) !== 0) throw new Error("the handle suffered");
}

/** A command of 60,000 bytes, each in a write of its own. @throws {Error} when it is not carried out as ever. */
export async function slowWriter(path: string): Promise<void> {
  using client = await rawClient(path);
  const card = await connected(client, await client.establish());
  const data = Buffer.alloc(60_000, 0x5a);
  const length = [data.length >> 8, data.length & 0xff];
  const apdu = Buffer.concat([Buffer.from([0x80, 0xe0, 0, 0, 0, ...length]), data]);
  const struct = words("little", card, 2, 16, apdu.length, 3, 16, 65_548, 0);
  const bytes = request("little", Cmd.Transmit, struct, apdu);
  for (let at = 0; at < bytes.length; at++) {
    client.raw(bytes.subarray(at, at + 1));
    if (at % 16 === 0) await new Promise(setImmediate); // lets them leave
  }
  const reply = await client.takeWords(8);
  const [answered = 0, rv = -1] = reply.slice(6);
  if (rv !== 0 || answered !== data.length + 2) throw new Error(`${rv}, ${answered} bytes`);
  const answer = await client.take(answered);
  if (!answer.subarray(0, data.length).equals(data)) throw new Error("another answer");
}

const APDU = Buffer.from("80e4fffd000000", "hex");

/**
 * Peers that ask for much and read nothing: half of them for lists, half for answers of 64 KiB of a card. `whileUnread`
 * is called when the server takes nothing more from any of them.
 */
export async function neverRead(
  path: string,
  { peers, requests }: { peers: number; requests: number },
  whileUnread: () => Promise<void>,
): Promise<void> {
  const sockets: Socket[] = [];
  try {
    for (let peer = 0; peer < peers; peer++) {
      const socket = await open(path);
      sockets.push(socket);
      if (peer % 2 === 0) {
        const list = request("little", peer % 4 === 0 ? Cmd.Readers : Cmd.Array);
        socket.write(request("little", Cmd.Version, words("little", 4, 6, 0)));
        socket.write(Buffer.concat(Array.from({ length: requests }, () => list)));
        continue;
      }
      const client = new RawClient(socket, {});
      const card = await connected(client, await client.establish());
      client.reads(false);
      const struct = words("little", card, 2, 16, APDU.length, 3, 16, 65_548, 0);
      const one = request("little", Cmd.Transmit, struct, APDU);
      socket.write(Buffer.concat(Array.from({ length: Math.min(requests, 1_500) }, () => one)));
    }
    let before = -1;
    await until(
      "the server to stop reading",
      async () => {
        // Whatever the card still answers comes within this time.
        await new Promise((resolve) => setTimeout(resolve, 1_000));
        const written = sockets.reduce((sum, { bytesWritten }) => sum + bytesWritten, 0);
        const queued = sockets.reduce((sum, { writableLength }) => sum + writableLength, 0);
        const now = written - queued;
        const same = now === before;
        before = now;
        return same;
      },
      120_000,
    );
    await whileUnread();
  } finally {
    for (const socket of sockets) socket.destroy();
  }
}
