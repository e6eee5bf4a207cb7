import { connect, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import type { SoftwareCard } from "../../software-cards/card.ts";
import { encodeVpcd, VpcdDecoder, VpcdOrder } from "../../wire/vpcd.ts";

const aboutPower: ReadonlySet<number> = new Set([
  VpcdOrder.PowerOff,
  VpcdOrder.PowerOn,
  VpcdOrder.Reset,
]);

/** How long to wait before vpcd is dialled again, ms: a pcscd that starts shows the card within the blink of an eye. */
const REDIAL_MS = 250;

export interface VpcdAddress {
  readonly host: string;
  readonly port: number;
}

export interface InsertOptions {
  /** Its abortion pulls the card, in the middle of whatever it does. */
  readonly signal: AbortSignal;
  /** Is told when the card lies in the reader, and with why when it does not any more, or cannot be put there. */
  readonly onChange?: (change: { readonly isIn: boolean; readonly why?: unknown }) => void;
}

/**
 * Puts a card into a reader of vsmartcard's vpcd, which is to listen there, and keeps it in: when the pcscd goes and
 * comes back, so does the card. Resolves when the signal is aborted.
 */
export async function insertIntoVpcd(
  card: SoftwareCard,
  address: VpcdAddress,
  { signal, onChange = () => {} }: InsertOptions,
): Promise<void> {
  let told: boolean | undefined;
  const tell = (isIn: boolean, why?: unknown): void => {
    if (told === isIn || signal.aborted) return;
    told = isIn;
    onChange({ isIn, why });
  };
  while (!signal.aborted) {
    const socket = await dial(address, signal).catch((error: unknown) => tell(false, error));
    if (socket) {
      tell(true);
      tell(false, await answerAll(card, socket));
    }
    await delay(REDIAL_MS, undefined, { signal }).catch(() => {}); // aborted: the loop sees it
  }
}

/**
 * The signal ends the connection, too, and is let go of with it: a card may dial a million times.
 *
 * @throws the system's error when nobody listens there.
 */
function dial({ host, port }: VpcdAddress, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, noDelay: true });
    const onAbort = () => void socket.destroy();
    signal.addEventListener("abort", onAbort, { once: true });
    let failure: unknown;
    socket.on("error", (error) => {
      failure = error;
    });
    socket.once("close", () => {
      signal.removeEventListener("abort", onAbort);
      reject(failure ?? signal.reason);
    });
    socket.once("connect", () => resolve(socket));
  });
}

/** One message after the other, until the reader hangs up. @returns why it ended, if there is more to say than that. */
async function answerAll(card: SoftwareCard, socket: Socket): Promise<unknown> {
  const decoder = new VpcdDecoder();
  try {
    for await (const chunk of socket) {
      decoder.push(chunk as Uint8Array); // no encoding is set
      for (let message = decoder.next(); message; message = decoder.next()) {
        const answer = await answerOne(card, message.slice());
        // Pulled, or the reader is gone: whatever else it asked in advance, nobody waits for.
        if (socket.destroyed) return undefined;
        if (answer) await send(socket, encodeVpcd(answer));
      }
    }
    return undefined;
  } catch (error) {
    return error;
  } finally {
    socket.destroy();
    card.reset?.(); // without a reader there is no power
  }
}

/** Resolves when there is room for more: a reader that asks and never reads is not answered without bound. */
async function send(socket: Socket, bytes: Uint8Array): Promise<void> {
  if (socket.destroyed || socket.write(bytes)) return;
  await new Promise<void>((resolve) => {
    const done = (): void => {
      socket.off("drain", done).off("close", done);
      resolve();
    };
    socket.on("drain", done).on("close", done);
  });
}

/** What goes back: nothing after an order about power. */
async function answerOne(card: SoftwareCard, message: Uint8Array): Promise<Uint8Array | undefined> {
  if (message.length !== 1) return await card.process(message);
  const [order] = message;
  if (order === VpcdOrder.Atr) return card.atr;
  if (order !== undefined && aboutPower.has(order)) card.reset?.();
  return undefined; // an order that nobody knows, too
}
