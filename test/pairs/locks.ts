import { until } from "../lab/processes.ts";
import { Apdu, Disposition, isBlocked, reader, Share, type Stage, State, seen } from "./stage.ts";

// Contexts that keep each other out: transactions, exclusive access, and a holder that dies.

const ATR = 0x90303;
const CONTROL = 0x42000001;

/** Nested transactions; what others may do meanwhile, and what waits for their end. */
export async function transactions({ client, results }: Stage): Promise<void> {
  for (const name of ["a", "b", "c"]) {
    await client.must("establish", { context: name });
    await client.must("connect", { context: name, card: name, reader });
  }
  await client.must("connect", { context: "a", card: "a2", reader });
  const end = { disposition: Disposition.leave };
  for (const name of ["begin", "begin once more"]) await results.call(name, "begin", { card: "a" });
  await results.call("end the inner one", "end", { card: "a", ...end });

  const refused = async (card: string, who: string) => {
    await results.call(`${who}: control`, "control", { card, code: CONTROL });
    await results.call(`${who}: attribute`, "getattrib", { card, attribute: ATR });
    await results.call(`${who}: set attribute`, "setattrib", { card, attribute: ATR, value: "01" });
    await results.call(`${who}: end`, "end", { card, ...end });
    await results.call(`${who}: end and reset`, "end", { card, disposition: Disposition.reset });
  };
  await refused("b", "another's lock");
  await refused("a2", "the same context's lock");
  await results.call("another's lock: disconnect", "disconnect", { card: "c" });

  /** Makes a call that waits while "a" holds the card, and then lets it go. */
  const blocked = async (call: string, args: object) => {
    const waiting = client.call(call, args as Record<string, unknown>);
    await results.call(`held during ${call}`, "transmit", { card: "a", apdu: "80e0000001aa" });
    results.note(`${call} waits`, await isBlocked(waiting));
    await results.call(`let go during ${call}`, "end", { card: "a", ...end });
    results.tell(`${call} after it waited`, await waiting);
  };
  await blocked("connect", { context: "c", card: "c", reader });
  await results.call("end without a transaction", "end", { card: "a2", ...end });
  const others = [
    ["begin", { card: "b" }],
    ["transmit", { card: "b", apdu: "80e0000001bb" }],
    ["status", { card: "b" }],
    ["reconnect", { card: "b" }],
    ["disconnect", { card: "b", disposition: Disposition.reset }],
  ] as const;
  for (const [call, args] of others) {
    await client.must("begin", { card: "a" });
    await blocked(call, args);
    if (call === "begin") await results.call("the other one ends", "end", { card: "b", ...end });
  }
  for (const context of ["a", "b", "c"]) await client.must("release", { context });
}

/** Exclusive access, taken and given back. */
export async function exclusive(stage: Stage): Promise<void> {
  const { client, results } = stage;
  for (const context of ["a", "b"]) await client.must("establish", { context });
  const { exclusive: alone, shared, direct } = Share;
  const other = (name: string, share: number) =>
    results.call(name, "connect", { context: "b", card: "b", reader, share });
  await client.must("connect", { context: "a", card: "a", reader, share: alone });
  results.note(
    "exclusive access is seen",
    await seen(stage, "b", (e) => (e & State.exclusive) !== 0),
  );
  await other("shared beside exclusive", shared);
  await other("direct beside exclusive", direct);
  await other("exclusive beside exclusive", alone);
  for (const call of ["begin", "end"])
    await results.call(`exclusive: ${call}`, call, { card: "a" });
  await results.call("exclusive: status", "status", { card: "a" });
  await results.call("exclusive: made shared", "reconnect", { card: "a", share: shared });
  // pcscd 1.9.9 keeps the lock of exclusive access here, and a connect would wait for ever.
  await results.call("exclusive: the lock that is left", "end", { card: "a" });
  await other("shared beside what was exclusive", shared);
  // The library tries again and again, until there is nobody else.
  const again = client.call("reconnect", { card: "a", share: alone });
  await results.call("the other one's status", "status", { card: "b" });
  results.note("exclusive access waits", await isBlocked(again));
  await client.must("release", { context: "b" });
  results.tell("exclusive when alone", await again);
  await client.must("release", { context: "a" });
  await client.must("establish", { context: "b" });
  const free = State.exclusive | State.inUse;
  results.note("free access is seen", await seen(stage, "b", (event) => (event & free) === 0));
  await client.must("release", { context: "b" });
}

/** A program that dies, or releases its context, in the middle of a transaction: the card is reset. */
export async function deaths({ client, another, results, pcscd }: Stage): Promise<void> {
  const watcher = async (): Promise<void> => {
    await client.must("establish", { context: "b" });
    await client.must("connect", { context: "b", card: "b", reader });
    await client.must("transmit", { card: "b", apdu: Apdu.verify });
  };
  const judge = async (name: string): Promise<void> => {
    // Waits for the lock to be free, and so for the end of the other.
    const told = await client.call("status", { card: "b" });
    results.tell(`${name}: status`, told);
    // pcscd forgets the protocol some time after it told of the reset, also if it is a new one by then.
    await until("the other to be gone", async () => (await pcscd.readers())[0]?.sharing === 1);
    await results.call(`${name}: reconnect`, "reconnect", { card: "b" });
    await results.call(`${name}: PIN`, "transmit", { card: "b", apdu: Apdu.isVerified });
    await client.must("release", { context: "b" });
  };
  const hold = async (one: typeof client): Promise<void> => {
    await one.must("establish", { context: "a" });
    await one.must("connect", { context: "a", card: "a", reader });
    await one.must("begin", { card: "a" });
  };
  await watcher();
  await hold(client);
  await client.must("release", { context: "a" });
  await judge("released inside a transaction");

  await watcher();
  await using dying = another();
  await hold(dying);
  await dying.die();
  await judge("died inside a transaction");

  await watcher();
  await using quiet = another();
  await quiet.must("establish", { context: "a" });
  await quiet.must("connect", { context: "a", card: "a", reader });
  await quiet.die();
  await judge("died without a transaction");
}
