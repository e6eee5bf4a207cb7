import { createInterface } from "node:readline";
import { atrs, TestCard, type VirtualCard } from "./card.ts";
import type { CardCall, CardReport, CardSpec } from "./card-handle.ts";
import { VpcdSlot } from "./vpcd.ts";

// A process with the software cards of one pcscd, a card in each slot, so that they can live in that
// pcscd's network namespace. Its argument is a JSON list of CardSpec; then each line of standard input
// is a CardCall, each line of standard output its answer. It ends with its input.

async function make({
  atr,
  module,
  export: name = "createCard",
  options,
}: CardSpec): Promise<VirtualCard> {
  if (module === undefined) return new TestCard({ atr: atr ?? atrs.both });
  const loaded = (await import(module)) as Record<string, (options: unknown) => VirtualCard>;
  const create = loaded[name];
  if (!create) throw new Error(`${module} has no ${name}`);
  return create(options);
}

const specs = JSON.parse(process.argv[2] ?? "[]") as readonly CardSpec[];
const slots = await Promise.all(
  specs.map(async (spec, slot) => {
    const card = await make(spec);
    return { card, reader: new VpcdSlot(card, slot) };
  }),
);

function perform({ slot, call, atr }: CardCall): CardReport {
  const found = slots[slot];
  if (!found) throw new Error(`there is no slot ${slot}`);
  const { card, reader } = found;
  if (call === "insert") reader.insert();
  if (call === "pull") reader.pull();
  if (call === "atr") {
    if (!(card instanceof TestCard)) throw new Error("only the test card changes its ATR");
    card.atr = Buffer.from(atr ?? "", "hex");
  }
  return { counted: 0, log: [], ...reader.counters, ...card.report?.() };
}

const print = (line: unknown): void => void process.stdout.write(`${JSON.stringify(line)}\n`);
print({ ready: true });

const input = createInterface({ input: process.stdin });
input.on("close", () => process.exit(0));
input.on("line", (line) => {
  const request = JSON.parse(line) as CardCall;
  try {
    print({ id: request.id, report: perform(request) });
  } catch (error) {
    print({ id: request.id, error: String(error) });
  }
});
