import { MAX_ANSWER } from "../lab/card.ts";
import { Apdu, Disposition, emptyReader, Protocol, reader, type Stage, Share } from "./stage.ts";

// What one program does with one card: connect in each mode, commands, controls, attributes.

/** Each share mode and protocol, on a card and on none. */
export async function connects({ client, results }: Stage): Promise<void> {
  const context = "m";
  await client.must("establish", { context });
  const connect = async (name: string, args: object, end: number = Disposition.leave) => {
    const { rv } = await results.call(`connect: ${name}`, "connect", {
      context,
      card: "m",
      reader,
      ...args,
    });
    if (Number(rv) !== 0) return;
    await results.call(`connected: ${name}`, "status", { card: "m" });
    // With a reset, so that the next may choose its protocol.
    await results.call(`disconnect: ${name}`, "disconnect", { card: "m", disposition: end });
  };
  const { reset, unpower, eject } = Disposition;
  await connect("shared", {}, reset);
  await connect("shared, T=0", { protocols: Protocol.t0 }, unpower);
  await connect("shared, T=1", { protocols: Protocol.t1 }, eject);
  await connect("shared, raw", { protocols: Protocol.raw }, reset);
  await connect("shared, no protocol", { protocols: 0 });
  await connect("exclusive", { share: Share.exclusive }, reset);
  await connect("no such mode", { share: 9 });
  await connect("no such reader", { reader: "No Such Reader 00 00" });
  await connect("no card", { reader: emptyReader });
  await connect("no card, exclusive", { reader: emptyReader, share: Share.exclusive });
  await connect("no card, direct", { reader: emptyReader, share: Share.direct, protocols: 0 });

  await client.must("connect", { context, card: "kept", reader });
  await connect("another handle", {});
  await connect("another protocol than is active", { protocols: Protocol.t0 });
  await connect("exclusive beside another", { share: Share.exclusive });
  await connect("direct beside another", { share: Share.direct, protocols: 0 });
  await results.call("disconnect with no such disposition", "disconnect", {
    card: "kept",
    disposition: 9,
  });
  await results.call("disconnect", "disconnect", { card: "kept" });
  await results.call("disconnect again", "disconnect", { card: "kept" });
  await client.must("release", { context });
}

const hex = (value: number, digits: number): string => value.toString(16).padStart(digits, "0");

/** Short and extended commands, and buffers that are too small. */
export async function commands({ client, results }: Stage): Promise<void> {
  await client.must("establish", { context: "t" });
  await client.must("connect", { context: "t", card: "t", reader });
  const send = (name: string, apdu: string, more: object = {}) =>
    results.call(`transmit: ${name}`, "transmit", { card: "t", apdu, ...more });
  await send("case 1", "80e00000");
  await send("case 2", "80e4000100");
  await send("case 3", "00a4040005f000000001");
  await send("case 4", "80e0000003c0ffee00");
  await send("256 bytes", "80e4010000");
  await send("GET RESPONSE, first part", "80e2012c00");
  await send("GET RESPONSE, second part", "00c0000000");
  await send("extended, 1,000 bytes there", `80e00000${hex(1_000, 6)}${"5a".repeat(1_000)}`);
  await send(
    "extended, 65,000 bytes there and back",
    `80e00000${hex(65_000, 6)}${"a5".repeat(65_000)}`,
  );
  await send(`extended, ${MAX_ANSWER} bytes`, `80e4${hex(MAX_ANSWER, 4)}000000`);
  await send("longer than any reader takes", "00".repeat(65_549));
  await send("another protocol than is active", Apdu.isVerified, { pci: Protocol.t0 });
  await send("raw", Apdu.isVerified, { pci: Protocol.raw });

  const first = await client.must("transmit", { card: "t", apdu: Apdu.count });
  const counted = (answer: unknown): number => Number.parseInt(String(answer).slice(0, 8), 16);
  await send("one byte of room for six", Apdu.count, { room: 1 });
  await send("five bytes of room for six", Apdu.count, { room: 5 });
  await send("no room", Apdu.count, { room: 0 });
  const last = await client.must("transmit", { card: "t", apdu: Apdu.count });
  results.note("commands that were run", counted(last["answer"]) - counted(first["answer"]));
  await send("room as much as is needed", "80e0000004c0ffee00", { room: 6 });
  await send("one byte less than is needed of much", "80e4fffd000000", { room: 65_534 });
  await client.must("release", { context: "t" });
}

/** Attributes that pcsc-lite's own programs ask for, and one that nobody has. */
const ATTRIBUTES = {
  "vendor name": 0x10100,
  "vendor version": 0x10102,
  "serial number": 0x10103,
  channel: 0x20110,
  "card present": 0x90300,
  "interface status": 0x90301,
  ATR: 0x90303,
  "longest command": 0x7a007,
  "friendly name": 0x7fff0003,
  "system name": 0x7fff0004,
  "none that there is": 0x0bad0bad,
} as const;

/** Controls and attributes. vpcd, which is the driver here, refuses every control. */
export async function readerCalls({ client, results }: Stage): Promise<void> {
  const card = "x";
  await client.must("establish", { context: "x" });
  await client.must("connect", { context: "x", card, reader });
  const control = (name: string, code: number, more: object = {}) =>
    results.call(`control: ${name}`, "control", { card, code, ...more });
  await control("features", 0x42000d48);
  await control("of the vendor", 0x42000001, { data: "0001020304" });
  await control("without room", 0x42000001, { data: "00", room: 0 });
  await control("much", 0x42000001, { data: "5a".repeat(65_000) });
  for (const [name, attribute] of Object.entries(ATTRIBUTES))
    await results.call(`attribute: ${name}`, "getattrib", { card, attribute });
  const { ATR } = ATTRIBUTES;
  await results.call("attribute: little room", "getattrib", { card, attribute: ATR, room: 2 });
  await results.call("attribute: set", "setattrib", { card, attribute: ATR, value: "01020304" });
  await client.must("release", { context: "x" });

  await client.must("establish", { context: "x" });
  const direct = { context: "x", card, reader: emptyReader, share: Share.direct, protocols: 0 };
  await client.must("connect", direct);
  await control("without a card", 0x42000d48);
  await results.call("attribute: ATR without a card", "getattrib", { card, attribute: ATR });
  await results.call("transmit: without a card", "transmit", {
    card,
    apdu: Apdu.isVerified,
    pci: 4,
  });
  await results.call("status: without a card", "status", { card });
  await client.must("release", { context: "x" });
}
