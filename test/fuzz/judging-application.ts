import { word } from "../replay/bytes.ts";
import { type RawClient, rawClient } from "../replay/client.ts";
import { Cmd } from "../replay/commands.ts";

/** How long the application waits for one answer before it gives up, ms. */
const PATIENCE_MS = 400;
const RECORD = 184;
const READER = "Lab Reader 00 00";

/** Thrown where there is no answer in time: a program would wait on, as it does for a pcscd that is silent. */
class NoAnswer extends Error {}

const hold = (holds: boolean, what: string): void => {
  if (!holds) throw new Error(what);
};

/** Results are 0, or of PC/SC's facility (winerror.h). */
const known = (rv: number, call: string): void =>
  hold(rv === 0 || rv >>> 16 === 0x8010, `${call} returns 0x${rv.toString(16)}`);

async function inTime<T>(call: string, answer: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new NoAnswer(`waits for ${call}`)), PATIENCE_MS);
  });
  answer.catch(() => {}); // whoever gave up does not look any more
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * An application that makes one call of each kind, and believes nothing that it is told: lengths fit its buffers, names
 * end, results are PC/SC's.
 *
 * @returns `served` when every call was answered, otherwise for which it waits.
 * @throws {Error} what it was told that no application may be told, or that it was hung up on.
 */
export async function judgeAsApplication(path: string, minor: number): Promise<string> {
  using client = await rawClient(path, { minor });
  try {
    await life(client);
    return "served";
  } catch (error) {
    if (error instanceof NoAnswer) return error.message;
    throw error;
  }
}

async function life(client: RawClient): Promise<void> {
  const context = await inTime("establish", client.establish());
  const name = await aReader(client);
  const { card, rv } = await inTime("connect", client.connect(context, name));
  known(rv, "connect");
  if (rv === 0) await useCard(client, card);
  const waited = client.wait();
  await inTime("wait", waited);
  client.stop();
  const event = await inTime("event", client.event());
  hold(event === 0 || event === 0x80100002, `an event 0x${event.toString(16)}`);
  hold(
    (await inTime("release", client.result(Cmd.Release, context, 0))) === 0,
    "the context is not released",
  );
}

/** The list, byte by byte. @returns the name of a reader that the honest daemon has. */
async function aReader(client: RawClient): Promise<string> {
  const slots = await inTime("list", client.slots());
  client.send(client.minor < 6 ? Cmd.Readers : Cmd.Array);
  const bytes = await inTime("list", client.take(slots * RECORD));
  for (let at = 0; at < bytes.length; at += RECORD) {
    const record = bytes.subarray(at, at + RECORD);
    const atrLength = word(client.order, record, 176);
    hold(atrLength <= 33, `an ATR of ${atrLength} bytes`);
    hold(record.subarray(0, 128).includes(0), "a name without its NUL");
    hold(
      record[0] !== 0 || record.every((byte) => byte === 0),
      "an unused slot with something in it",
    );
  }
  const names = bytes.toString("latin1").match(/Lab Reader [ -~]*/g) ?? [];
  return names[0] ?? READER;
}

async function useCard(client: RawClient, card: number): Promise<void> {
  hold(card !== 0, "a handle of 0");
  known(await inTime("begin", client.result(Cmd.Begin, card, 0)), "begin");
  const select = Buffer.from("00a4040005f000000000", "hex");
  for (const buffer of [258, 1]) {
    const sent = await inTime("transmit", client.transmit(card, select, { buffer }));
    known(sent.rv, "transmit");
    hold(sent.rv !== 0 || sent.length <= buffer, `an answer of ${sent.length} bytes in ${buffer}`);
  }
  const control = await inTime("control", client.control(card, 0x42000d48, { buffer: 16 }));
  known(control.rv, "control");
  hold(control.rv !== 0 || control.returned <= 16, `${control.returned} bytes in 16`);
  const attribute = await inTime("attribute", client.attribute(card, 0x7fff0003, 32));
  known(attribute.rv, "attribute");
  hold(
    attribute.rv !== 0 || attribute.length <= 32,
    `an attribute of ${attribute.length} bytes in 32`,
  );
  known(await inTime("status", client.result(Cmd.Status, card, 0)), "status");
  known(await inTime("end", client.result(Cmd.End, card, 0, 0)), "end");
  const reconnected = await inTime("reconnect", client.ask(Cmd.Reconnect, card, 2, 3, 1, 0, 0));
  known(reconnected.at(-1) ?? -1, "reconnect");
  known(await inTime("disconnect", client.result(Cmd.Disconnect, card, 1, 0)), "disconnect");
}
