import { ReturnCodeError } from "../../src/domain/errors.ts";
import { padded, textIn, words } from "./bytes.ts";
import type { Asked, ReplayDaemon } from "./daemon.ts";
import type { Handle, PcscdConnection } from "./pcscd-connection.ts";

/** Message numbers (section 1.3). */
export const Cmd = {
  Establish: 0x01,
  Release: 0x02,
  Connect: 0x04,
  Reconnect: 0x05,
  Disconnect: 0x06,
  Begin: 0x07,
  End: 0x08,
  Transmit: 0x09,
  Control: 0x0a,
  Status: 0x0b,
  Cancel: 0x0d,
  GetAttrib: 0x0f,
  SetAttrib: 0x10,
  Version: 0x11,
  Readers: 0x12,
  Wait: 0x13,
  Stop: 0x14,
  ReaderEvents: 0x15,
  Size: 0x16,
  Array: 0x17,
} as const;

/** What releases answer to VERSION (section 2.2). */
export const kinds = {
  "1.8.8": { minor: 2, accepts: (minor: number) => minor === 2, refusal: 0x8010001d },
  "1.8.18": { minor: 3, accepts: (minor: number) => minor === 3, refusal: 0x8010001d },
  "1.8.23": { minor: 3, accepts: (minor: number) => minor === 3, refusal: 0x8010001d },
  "1.8.24": { minor: 4, accepts: (minor: number) => minor === 4, refusal: 0x8010001d },
  "1.9.9": { minor: 4, accepts: (minor: number) => minor === 4, refusal: 0x8010001e },
  "2.3.3": { minor: 5, accepts: (minor: number) => minor === 5, refusal: 0x8010001e },
  "2.4.1": { minor: 5, accepts: (minor: number) => minor >= 4, refusal: 0x8010001e },
  "2.5.1": { minor: 6, accepts: (minor: number) => minor >= 4 && minor <= 6, refusal: 0x8010001e },
} as const;
export type Kind = keyof typeof kinds;

/** What cards and readers answer, and what must be known of it. */
export interface Hooks {
  /** A card's answer; the command itself and 90 00 unless told. */
  readonly transmit?: (apdu: Uint8Array, reader: string) => Uint8Array;
  /** The answer to the feature query, or the code that it is refused with. */
  readonly features?: (reader: string) => Uint8Array | number;
}

const FEATURE_REQUEST = 0x42000d48;
const FEATURES = Buffer.from("120442330012", "hex");

/** Bytes of each command's struct; WAIT and STOP had one up to 4:3. */
export function structSize(command: number, minor: number): number | undefined {
  if (command === Cmd.Wait || command === Cmd.Stop) return minor <= 3 ? 8 : 0;
  if (command === Cmd.ReaderEvents && minor < 5) return undefined;
  if (command >= Cmd.Size && minor < 6) return undefined;
  return sizes.get(command);
}

const sizes = new Map<number, number>([
  [Cmd.Establish, 12],
  [Cmd.Release, 8],
  [Cmd.Connect, 152],
  [Cmd.Reconnect, 24],
  [Cmd.Disconnect, 12],
  [Cmd.Begin, 8],
  [Cmd.End, 12],
  [Cmd.Transmit, 32],
  [Cmd.Control, 24],
  [Cmd.Status, 8],
  [Cmd.Cancel, 8],
  [Cmd.GetAttrib, 280],
  [Cmd.SetAttrib, 280],
  [Cmd.Version, 12],
  [Cmd.Readers, 0],
  [Cmd.ReaderEvents, 0],
  [Cmd.Size, 0],
  [Cmd.Array, 0],
]);

/** Where the result stands in a command's struct. */
const resultAt = (struct: Uint8Array): number => struct.length - 4;
const NOTHING = Buffer.alloc(0);

/** Carries out one request. @returns the reply; arrays of 2.5.x are written by the way, record by record. */
export async function carry(
  daemon: ReplayDaemon,
  connection: PcscdConnection,
  asked: Asked,
): Promise<Buffer> {
  const { command, struct } = asked;
  const { order } = daemon;
  const at = (offset: number) => daemon.wordOf(struct, offset);
  const spot = (where: Parameters<NonNullable<ReplayDaemon["between"]>>[0]) => {
    if (daemon.isList && connection.isRegistered) daemon.between?.(where);
  };
  switch (command) {
    case Cmd.Version: {
      spot("before mark");
      const { minor, accepts, refusal } = kinds[daemon.kind];
      const ok = at(0) === 4 && accepts(at(4));
      if (ok) connection.minor = Math.min(minor, at(4));
      return words(order, 4, minor, ok ? 0 : refusal);
    }
    case Cmd.Establish: {
      const ok = at(0) <= 3;
      if (ok) connection.context = daemon.nextNumber();
      return words(order, at(0), ok ? connection.context : 0, ok ? 0 : 0x80100011);
    }
    case Cmd.Release: {
      const rv = connection.context === 0 ? 0x80100003 : 0x80100011;
      if (at(0) !== connection.context) return words(order, at(0), rv);
      connection.context = 0;
      for (const handle of connection.handles.values()) handle.slot.abandon(handle);
      connection.handles.clear();
      return words(order, at(0), 0);
    }
    case Cmd.Cancel:
      return words(order, at(0), 0x80100003);
    case Cmd.Readers:
      return array(daemon, connection, spot);
    case Cmd.Wait:
      connection.isRegistered = true;
      return connection.minor === 4 || connection.minor === 5
        ? array(daemon, connection, spot)
        : NOTHING;
    case Cmd.Stop: {
      const answered = connection.isRegistered;
      connection.isRegistered = false;
      // Up to 1.8.18 STOP is always answered, also behind the event that should have served as the answer.
      if (!answered && daemon.kind !== "1.8.18") return NOTHING;
      return words(order, 0, answered ? 0 : 0x80100001);
    }
    case Cmd.ReaderEvents:
      return words(order, 1, 0);
    case Cmd.Size:
      spot("before size");
      connection.announcedSlots = daemon.slotCount(connection.minor);
      return words(order, connection.announcedSlots);
    case Cmd.Array:
      spot("before array");
      return array(daemon, connection, spot);
    default:
      return await withResult(daemon, connection, asked);
  }
}

/** Up to 2.4.1 in one piece; 2.5.x lets events in between. */
function array(
  daemon: ReplayDaemon,
  connection: PcscdConnection,
  spot: (where: "between records") => void,
): Buffer {
  const isList = connection.minor >= 6;
  const count = isList ? connection.announcedSlots : daemon.slotCount(connection.minor);
  if (!daemon.isList)
    return Buffer.concat(Array.from({ length: count }, (_, index) => daemon.recordOf(index)));
  for (let index = 0; index < count; index++) {
    if (index > 0) spot("between records");
    connection.write(daemon.recordOf(index));
  }
  return NOTHING;
}

async function withResult(
  daemon: ReplayDaemon,
  connection: PcscdConnection,
  asked: Asked,
): Promise<Buffer> {
  try {
    return await onCard(daemon, connection, asked);
  } catch (error) {
    if (!(error instanceof ReturnCodeError)) throw error;
    const reply = Buffer.from(asked.struct);
    if (asked.command === Cmd.Transmit) words(daemon.order, 0).copy(reply, 24);
    words(daemon.order, error.rv).copy(reply, resultAt(reply));
    return reply;
  }
}

async function onCard(
  daemon: ReplayDaemon,
  connection: PcscdConnection,
  { command, struct, payload }: Asked,
): Promise<Buffer> {
  const { order } = daemon;
  const at = (offset: number) => daemon.wordOf(struct, offset);
  const done = (patches: Readonly<Record<number, number>> = {}): Buffer => {
    const reply = Buffer.from(struct);
    for (const [offset, value] of Object.entries(patches))
      words(order, value).copy(reply, Number(offset));
    words(order, 0).copy(reply, resultAt(reply));
    return reply;
  };
  if (command === Cmd.Connect) {
    const slot = daemon.slot(textIn(struct.subarray(4, 132)));
    if (!slot) throw new ReturnCodeError("simulated", 0x80100009);
    await slot.untilFree("simulated", undefined);
    const handle: Handle = { slot, notice: 0 };
    const active = slot.connect(handle, { share: at(132), protocols: at(136) });
    const card = daemon.nextNumber();
    connection.handles.set(card, handle);
    return done({ 140: card, 144: active });
  }
  const handle = connection.handles.get(at(0));
  if (!handle) {
    connection.destroy(); // pcscd takes it for hostile
    return NOTHING;
  }
  const { slot } = handle;
  const check = () => {
    slot.checkFree("simulated", handle);
    slot.checkNotice("simulated", handle);
  };
  switch (command) {
    case Cmd.Reconnect: {
      const how = { share: at(4), protocols: at(8), initialization: at(12) };
      return done({ 16: slot.reconnect(handle, how) });
    }
    case Cmd.Disconnect:
      if (at(4) > 3) throw new ReturnCodeError("simulated", 0x80100011);
      if (at(4) > 0) await slot.untilFree("simulated", handle);
      slot.close(handle, at(4));
      connection.handles.delete(at(0));
      return done();
    case Cmd.Begin:
      check();
      slot.lock(handle);
      return done();
    case Cmd.End:
      check();
      slot.unlock(handle, at(4));
      return done();
    case Cmd.Transmit: {
      check();
      slot.checkCard("simulated");
      const echoed = Buffer.concat([payload, Buffer.from("9000", "hex")]);
      const data = daemon.hooks.transmit?.(payload, slot.name) ?? echoed;
      return Buffer.concat([done({ 24: data.length }), data]);
    }
    case Cmd.Control: {
      slot.checkFree("simulated", handle);
      const answer = at(4) === FEATURE_REQUEST ? features(daemon, slot.name) : 0x8010001f;
      if (typeof answer === "number") throw new ReturnCodeError("simulated", answer);
      return Buffer.concat([done({ 16: answer.length }), answer]);
    }
    case Cmd.GetAttrib: {
      check();
      const name = Buffer.from(`${slot.name}\0`);
      const reply = done({ 272: name.length });
      padded(name, 264).copy(reply, 8);
      return reply;
    }
    default:
      check();
      return done();
  }
}

const features = (daemon: ReplayDaemon, reader: string): Uint8Array | number =>
  daemon.hooks.features?.(reader) ?? FEATURES;
