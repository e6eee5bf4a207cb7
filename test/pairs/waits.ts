import { until } from "../lab/processes.ts";
import type { Arguments, Outcome } from "../pcsc/client.ts";
import { emptyReader, known, reader, State, type Stage, seen, statesOf } from "./stage.ts";

// Lists, states, waiting, plug and unplug of a card, cancelling.

/** How long a wait is that ends by itself, ms. */
const SHORT_MS = 150;
/** How long one is that something else ends. */
const LONG_MS = 30_000;

/** Contexts, and the list of readers. */
export async function lists({ results }: Stage): Promise<void> {
  for (const scope of [2, 0, 1, 9])
    await results.call(`establish in scope ${scope}`, "establish", { context: `s${scope}`, scope });
  await results.call("a context is valid", "valid", { context: "s0" });
  await results.call("groups", "groups", { context: "s0" });
  await results.call("list", "list", { context: "s0" });
  await results.call("release", "release", { context: "s0" });
  await results.call("release again", "release", { context: "s0" });
  await results.call("a released context is not valid", "valid", { context: "s0" });
  await results.call("list in a released context", "list", { context: "s0" });
}

/** Waits that end at once or by the clock. Ends with both readers' counters known. */
export async function states(stage: Stage): Promise<void> {
  const { client, results } = stage;
  const context = "w";
  await client.must("establish", { context });
  await seen(stage, context, (event) => (event & (State.exclusive | State.inUse)) === 0);
  const both = [reader, emptyReader].map((name) => [name, 0]);
  const start = await client.call("change", { context, readers: both });
  for (const [i, name] of [reader, emptyReader].entries())
    results.countFrom(name, statesOf(start)[i]?.counter ?? 0);
  const [card, empty] = statesOf(start).map(({ counter }) => counter) as [number, number];
  const wait = (name: string, readers: unknown, timeout = SHORT_MS) =>
    results.call(`wait: ${name}`, "change", { context, readers, timeout });

  await wait("answered at once", both, LONG_MS);
  const asTheyAre = [
    [reader, known(State.present, card)],
    [emptyReader, known(State.empty, empty)],
  ];
  await wait("nothing new", asTheyAre);
  await wait("nothing new, and no counter", [[emptyReader, State.empty]]);
  await wait("another state than is known", [[reader, known(State.empty, card)]], LONG_MS);
  await wait("another counter than is known", [[reader, known(State.present, card + 7)]], LONG_MS);
  await wait("one that is to be left out", [[reader, 1]]);
  await wait("an unknown reader", [["No Such Reader 00 00", 0]]);
  await wait("an unknown reader beside a known one", [...both, ["No Such Reader 00 00", 0]]);
  await wait("no reader at all", []);
  const list = await wait("the list itself", [["pnp", 0]]);
  const plugs = statesOf(list)[0]?.counter ?? 0;
  await wait("the list as it is", [["pnp", known(0, plugs)]]);
  // Only 4:5 and later have a counter to compare with.
  await wait("the list as it was", [["pnp", known(0, plugs + 1)]], SHORT_MS);
  await wait("the list beside readers", [["pnp", known(0, plugs)], ...asTheyAre]);
}

/** The card comes and goes, and nobody else is told. Continues where `states` ended. */
export async function events(stage: Stage): Promise<void> {
  const { client, results, pcscd } = stage;
  const [card] = pcscd.cards;
  for (const context of ["w2", "w3"]) await client.must("establish", { context });
  const now = await client.must("change", { context: "w", readers: [[reader, 0]] });
  const counter = statesOf(now)[0]?.counter ?? 0;
  const other = await client.must("change", { context: "w", readers: [[emptyReader, 0]] });
  const emptyCounter = statesOf(other)[0]?.counter ?? 0;
  const list = await client.call("change", { context: "w", readers: [["pnp", 0]] });

  const wait = (context: string, readers: unknown): { args: Arguments; end: Promise<Outcome> } => {
    const args = { context, readers, timeout: LONG_MS };
    return { args, end: client.call("change", args) };
  };
  const idle = wait("w3", [[emptyReader, known(State.empty, emptyCounter)]]);
  const going = [
    wait("w", [[reader, known(State.present, counter)]]),
    wait("w2", [
      ["pnp", known(0, statesOf(list)[0]?.counter ?? 0)],
      [reader, known(State.present, counter)],
    ]),
  ];
  await card.pull({ wait: false });
  for (const [i, { args, end }] of going.entries())
    results.tell(`the card goes, ${i}`, await end, args);
  const coming = wait("w", [[reader, known(State.empty, counter + 1)]]);
  await card.insert({ wait: false });
  results.tell("the card comes", await coming.end, coming.args);

  let ended = false;
  void idle.end.then(() => {
    ended = true;
  });
  results.note("a wait for the other reader goes on", !ended);
  // One that comes before the program sits down and waits has no effect, as PC/SC has it.
  await until("the wait to be cancelled", async () => {
    if (!ended) await client.call("cancel", { context: "w3" });
    return ended;
  });
  results.tell("a wait is cancelled", await idle.end, idle.args);
  await results.call("cancel when nobody waits", "cancel", { context: "w3" });
  await results.call("states after a cancel", "change", {
    context: "w3",
    readers: [[emptyReader, 0]],
  });
  for (const context of ["w", "w2", "w3"]) await client.must("release", { context });
}

/** What pcsc_scan does: a program that waits before it ever lists. One of its own, since a bad end may spoil it. */
export async function waitFirst({ another, results }: Stage): Promise<void> {
  await using client = another();
  const readers = [[reader, 0]];
  await client.must("establish", { context: "a" });
  results.tell(
    "a wait before any list",
    await client.call("change", { context: "a", readers, timeout: SHORT_MS }),
    { readers },
  );
  results.tell("a list after a wait", await client.call("list", { context: "a" }));
}
