import { setTimeout as delay } from "node:timers/promises";
import { getEventListeners, once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { deferred } from "../../domain/deferred.ts";
import { insertIntoVpcd } from "./vpcd-card.ts";

// The reader's side is written out byte for byte, as vsmartcard's vpcd sends it.

let server: Server;
let port: number;
let stop: AbortController;
const cards: Socket[] = [];

beforeEach(async () => {
  stop = new AbortController();
  server = createServer((socket) => void cards.push(socket)).listen(0, "127.0.0.1");
  await once(server, "listening");
  port = (server.address() as { port: number }).port;
});
afterEach(() => {
  stop.abort();
  for (const card of cards.splice(0)) card.destroy();
  server.close();
});

class Card {
  readonly atr = Uint8Array.of(0x3b, 0x00);
  resets = 0;
  reset(): void {
    this.resets += 1;
  }
  async process(command: Uint8Array): Promise<Uint8Array> {
    if (command[1] === 0xff) throw new Error("broken");
    return Uint8Array.of(command.length, 0x90, 0x00);
  }
}

const insert = (card: Card, onChange = (_change: { isIn: boolean }) => {}) =>
  insertIntoVpcd(card, { host: "127.0.0.1", port }, { signal: stop.signal, onChange });

const accept = async (): Promise<Socket> => {
  const [socket] = (await once(server, "connection")) as [Socket];
  return socket;
};

/** What the card sends, until there are so many bytes. */
async function read(socket: Socket, length: number): Promise<string> {
  let all = Buffer.alloc(0);
  while (all.length < length) {
    const [chunk] = (await once(socket, "data")) as [Buffer];
    all = Buffer.concat([all, chunk]);
  }
  return all.toString("hex");
}

const send = (socket: Socket, text: string) =>
  socket.write(Buffer.from(text.replaceAll(" ", ""), "hex"));

test("answers what vpcd asks, however its bytes fall", async () => {
  const card = new Card();
  const inserted = insert(card);
  const reader = await accept();
  send(reader, "0001 01 0001 04");
  expect(await read(reader, 4)).toBe("00023b00");
  expect(card.resets).toBe(1);
  send(reader, "0005 00a4");
  send(reader, "040c00 0001 02 0004 00200080");
  expect(await read(reader, 10)).toBe("00030590000003049000");
  expect(card.resets).toBe(2);
  stop.abort();
  await inserted;
  await once(reader, "close");
  expect(card.resets).toBe(3);
});

test("comes back when the reader hangs up, without its power in the meantime", async () => {
  const card = new Card();
  const changes: boolean[] = [];
  const inserted = insert(card, ({ isIn }) => void changes.push(isIn));
  (await accept()).destroy();
  const again = await accept();
  expect(card.resets).toBe(1);
  send(again, "0001 04");
  expect(await read(again, 4)).toBe("00023b00");
  expect(changes).toEqual([true, false, true]);
  // One for the connection that there is, none for the one that was.
  expect(getEventListeners(stop.signal, "abort")).toHaveLength(1);
  stop.abort();
  await inserted;
});

test("waits for a reader, and says so once", async () => {
  server.close();
  await once(server, "close");
  const told = deferred<{ isIn: boolean; why?: unknown }>();
  const inserted = insert(new Card(), told.resolve);
  expect(await told.promise).toMatchObject({ isIn: false, why: { code: "ECONNREFUSED" } });
  stop.abort();
  await inserted;
});

test("what is no order, or no command, does no harm", async () => {
  const card = new Card();
  const inserted = insert(card);
  const reader = await accept();
  send(reader, "0000 0001 03 0001 ff 0001 04");
  expect(await read(reader, 9)).toBe("000300900000023b00");
  expect(card.resets).toBe(0);
  stop.abort();
  await inserted;
});

test("a reader that asks and does not read is not answered without end", async () => {
  let asked = 0;
  const answer = new Uint8Array(60_000);
  const card = Object.assign(new Card(), { process: async () => ((asked += 1), answer) });
  const inserted = insert(card);
  const reader = await accept();
  const commands = 1_000;
  send(reader, "0004 00b00000".repeat(commands));
  for (let before = -1; before !== asked; await delay(50)) before = asked;
  expect(asked).toBeLessThan(commands);
  let missing = commands * (2 + answer.length);
  for await (const chunk of reader) {
    missing -= (chunk as Buffer).length;
    if (missing === 0) stop.abort(); // which ends the stream
  }
  expect(missing).toBe(0);
  await inserted;
});

test.each([
  ["the card is pulled", () => stop.abort()],
  ["the reader hangs up", (reader: Socket) => reader.destroy()],
])("what was asked in advance is left when %s", async (_when, end) => {
  let asked = 0;
  const slow = async (): Promise<Uint8Array> => {
    asked += 1;
    if (asked === 2) end(reader);
    await delay(50);
    return Uint8Array.of(0x90, 0x00);
  };
  const card = Object.assign(new Card(), { process: slow });
  const inserted = insert(card);
  const reader = await accept();
  send(reader, "0004 00b00000".repeat(400));
  reader.resume();
  await once(reader, "close");
  await vi.waitFor(() => expect(card.resets).toBe(1), { timeout: 5_000 });
  expect(asked).toBeLessThan(10); // it may take an answer or two until a reader's end is seen
  stop.abort();
  await inserted;
});

test("a card that breaks is pulled, and put in again", async () => {
  const inserted = insert(new Card());
  const reader = await accept();
  send(reader, "0004 00ff0000");
  reader.resume();
  await once(reader, "close");
  const again = await accept();
  send(again, "0001 04");
  expect(await read(again, 4)).toBe("00023b00");
  stop.abort();
  await inserted;
});
