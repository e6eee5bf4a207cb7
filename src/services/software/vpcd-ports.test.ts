import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { afterEach, expect, test } from "vitest";
import type { Reader } from "../../domain/card-service.ts";
import { listenForVpcdCards, type VpcdPorts } from "./vpcd-ports.ts";
import { SoftwareReaders } from "./service.ts";

// A card of our own here, byte by byte, so that nothing is tested against itself; real ones are in test/interop.

const ATR = "3b80800101";
const NAMES = ["Virtual PCD 00 00", "Virtual PCD 00 01"];
const signal = AbortSignal.timeout(20_000);

interface Seen {
  readonly readers: SoftwareReaders;
  readonly ports: VpcdPorts;
}
const open: AsyncDisposable[] = [];
afterEach(async () => {
  for (const one of open.splice(0).toReversed()) await one[Symbol.asyncDispose]();
});

async function start(): Promise<Seen> {
  const readers = new SoftwareReaders(NAMES);
  const ports = await listenForVpcdCards(readers, NAMES, { host: "127.0.0.1", port: 0 });
  open.push(readers, ports);
  return { readers, ports };
}

/** What it was ordered and asked, in hex; it answers its ATR, and each command with itself and 9000. */
async function card(port: number | undefined, { atr = ATR } = {}) {
  const socket: Socket = connect(port ?? 0, "127.0.0.1");
  const asked: string[] = [];
  let received = Buffer.alloc(0);
  socket.on("data", (chunk: Buffer) => {
    received = Buffer.concat([received, chunk]);
    while (received.length >= 2 && received.length >= 2 + received.readUInt16BE()) {
      const message = received.subarray(2, 2 + received.readUInt16BE());
      received = received.subarray(2 + message.length);
      asked.push(message.toString("hex"));
      const answer =
        message.length > 1 ? `${message.toString("hex")}9000` : message[0] === 4 ? atr : undefined;
      if (answer === undefined) continue;
      const bytes = Buffer.from(answer, "hex");
      socket.write(Buffer.concat([Buffer.of(bytes.length >> 8, bytes.length & 255), bytes]));
    }
  });
  await once(socket, "connect");
  return { socket, asked };
}

async function until(readers: SoftwareReaders, is: (list: readonly Reader[]) => boolean) {
  for await (const list of readers.watch({ signal })) if (is(list)) return;
  throw new Error("it never came to that");
}
const cardIn = (slot: number) => (list: readonly Reader[]) => list[slot]?.atr !== undefined;
const empty = (slot: number) => (list: readonly Reader[]) => list[slot]?.atr === undefined;

test("a card that connects is in the reader, powered, and answers commands", async () => {
  const { readers, ports } = await start();
  const { asked, socket } = await card(ports.ports[1]);
  await until(readers, cardIn(1));
  expect(Buffer.from(readers.readers[1]?.atr ?? []).toString("hex")).toBe(ATR);
  const how = { share: 2, protocols: 3, principal: { name: "test" } };
  const { session } = await readers.connect("Virtual PCD 00 01", how, { signal });
  const { data } = await session.transmit(Buffer.from("00a40400", "hex"), { send: 2, receive: 2 });
  expect(Buffer.from(data).toString("hex")).toBe("00a404009000");
  await session.disconnect(1);
  expect(asked).toEqual(["01", "04", "00a40400", "02", "04"]);
  socket.destroy();
});

test("one that hangs up is pulled, also in the middle of a command", async () => {
  const { readers, ports } = await start();
  const { socket } = await card(ports.ports[0]);
  await until(readers, cardIn(0));
  const how = { share: 2, protocols: 3, principal: { name: "test" } };
  const { session } = await readers.connect("Virtual PCD 00 00", how, { signal });
  socket.removeAllListeners("data").resume();
  const sent = session.transmit(Buffer.from("00a40400", "hex"), { send: 2, receive: 2 });
  socket.end();
  await expect(sent).rejects.toMatchObject({ code: "SCARD_E_NO_SMARTCARD" });
  await until(readers, empty(0));
  await expect(session.status()).rejects.toMatchObject({ code: "SCARD_W_REMOVED_CARD" });
});

test("it comes back, and a second one waits for its turn", async () => {
  const { readers, ports } = await start();
  const first = await card(ports.ports[0]);
  await until(readers, cardIn(0));
  const second = await card(ports.ports[0], { atr: "3b00" });
  first.socket.destroy();
  await until(readers, ([reader]) => reader?.atr?.length === 2);
  second.socket.destroy();
  await until(readers, empty(0));
  const again = await card(ports.ports[0]);
  await until(readers, cardIn(0));
  again.socket.destroy();
});

test("a card that talks unasked, or gives no ATR that there is, does no harm", async () => {
  const { readers, ports } = await start();
  const mute = await card(ports.ports[0], { atr: "" });
  await until(readers, ([reader]) => reader?.stateBits === 0x0c);
  mute.socket.write(Buffer.from("0001ff", "hex"));
  await once(mute.socket, "close");
  await until(readers, ([reader]) => reader?.stateBits === 0x02);
});

test("a taken port is told, and none is kept", async () => {
  const { ports } = await start();
  const readers = new SoftwareReaders(NAMES);
  open.push(readers);
  const taken = { host: "127.0.0.1", port: (ports.ports[0] ?? 0) - 1 };
  await expect(listenForVpcdCards(readers, NAMES, taken)).rejects.toMatchObject({
    code: "EADDRINUSE",
  });
});
