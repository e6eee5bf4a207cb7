import type { ChildProcess } from "node:child_process";
import type { Readable, Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { CardwireError } from "../domain/errors.ts";
import { dial } from "../host/dial.ts";
import { type Keeper, openKeeper } from "./keeper.ts";
import { openLender } from "./lender.ts";
import { endsWithLogin } from "./leftovers.ts";
import { readLine } from "./lines.ts";
import { serveHere } from "./serve-here.ts";
import {
  answerLine,
  failureLine,
  type KeeperOrder,
  type Kept,
  orderLine,
  parseAnswer,
  parseOrder,
  type RelayOrder,
} from "./order.ts";

/** How long the order, and the keeper's answer, may take, ms: pcscd may ask polkit, or have to be started. */
const ORDER_MS = 30_000;
const ANSWER_MS = 30_000;

/** Standard input and output. */
export interface Stdio {
  readonly input: Readable;
  readonly output: Writable;
}

/**
 * What runs at the card host's end of an ssh session: reads an order and carries it out. A keeper goes on when the
 * session ends, and a relay ends with it. Where a `cardwire serve` runs that lets this user in, that is the keeper of the
 * readers here, and none is started.
 *
 * @param options.spawnKeeper starts a process, detached, that runs {@link runKeeper} on its standard input and output.
 */
export async function runAgent(
  { input, output }: Stdio,
  {
    spawnKeeper,
    version,
    signal,
  }: { spawnKeeper: () => ChildProcess; version: string; signal: AbortSignal },
): Promise<void> {
  try {
    const order = await readOrder(input);
    if (order.do === "relay") return await relay(order, { input, output }, { version, signal });
    const serve = order.do === "keep" ? await serveHere({ signal }) : undefined;
    if (serve && "socket" in serve) {
      const kept = { ...serve, version, endsWithLogin: false, by: "serve" } as const;
      return await write(output, answerLine(kept));
    }
    const kept = await startKeeper(order, spawnKeeper());
    await write(output, answerLine({ ...kept, ...serve }));
  } catch (error) {
    await write(output, failureLine(error));
  }
}

/** What runs for as long as it is needed, detached from the session that began it. */
export async function runKeeper(
  { input, output }: Stdio,
  { version, signal }: { version: string; signal: AbortSignal },
): Promise<void> {
  let keeper: Keeper | undefined;
  try {
    const order = await readOrder(input);
    if (order.do === "relay") throw new CardwireError("E_AGENT", "a keeper cannot relay");
    const open =
      order.do === "keep"
        ? openKeeper(order, { version, signal })
        : openLender(order, { version, signal });
    keeper = await open;
    const { socket, lent } = keeper;
    const kept = { socket, version, endsWithLogin: await endsWithLogin(), lent };
    await write(output, answerLine(kept));
  } catch (error) {
    await keeper?.[Symbol.asyncDispose]();
    await write(output, failureLine(error));
    return;
  }
  // Whoever started it ends now; nothing is to keep the ssh session open.
  input.destroy();
  output.destroy();
  await Promise.race([keeper.unneeded, aborted(signal)]);
  await keeper[Symbol.asyncDispose]();
}

async function readOrder(input: Readable) {
  const within = { signal: AbortSignal.timeout(ORDER_MS) };
  const line = await readLine(input, within);
  if (line === undefined) throw new CardwireError("E_AGENT", "nobody gave the agent an order");
  return parseOrder(line);
}

/** @returns the keeper's own answer, once it is one. */
async function startKeeper(order: KeeperOrder, child: ChildProcess): Promise<Kept> {
  const { stdin, stdout } = child;
  if (!stdin || !stdout) throw new TypeError("a keeper is spoken to by pipes");
  const failed = new Promise<never>((_resolve, reject) => {
    child.once("error", reject);
  });
  failed.catch(() => {}); // it is waited for below
  stdin.on("error", () => {}); // it ended before it read; its end is told below
  stdin.write(orderLine(order));
  const late = { signal: AbortSignal.timeout(ANSWER_MS) };
  const line = await Promise.race([readLine(stdout, late), failed]).catch((error: unknown) => {
    child.kill("SIGKILL");
    throw error;
  });
  stdin.destroy();
  stdout.destroy();
  child.unref();
  if (line === undefined) throw new CardwireError("E_AGENT", "the keeper ended at once");
  return parseAnswer(line);
}

async function relay(
  { socket }: RelayOrder,
  { input, output }: Stdio,
  { version, signal }: { version: string; signal: AbortSignal },
): Promise<void> {
  const stream = await dial(socket, { signal }).catch((cause: unknown) => {
    throw new CardwireError("E_AGENT", `nobody listens at ${socket}`, { cause });
  });
  await write(output, answerLine({ socket, version, endsWithLogin: false }));
  const within = { signal };
  const both = [pipeline(input, stream, within), pipeline(stream, output, within)];
  // Either way closes with the other.
  await Promise.race(both).catch(() => {});
  stream.destroy();
  input.destroy();
  await Promise.allSettled(both);
}

const write = (output: Writable, text: string): Promise<void> =>
  new Promise((resolve) => {
    output.write(text, () => resolve()); // whoever asked may be gone
  });

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
