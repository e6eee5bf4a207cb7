import { randomBytes, randomInt } from "node:crypto";
import { chown, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { readState, writeState } from "../../src/software-cards/piv/state-text.ts";
import type { SlotNumber } from "../../src/software-cards/piv/slots.ts";
import type { PivState, StoredKey } from "../../src/software-cards/piv/state.ts";
import { start } from "../lab/programs.ts";
import { users } from "../lab/users.ts";
import { letIn, selectedCard } from "../piv/selected-card.ts";
import { LIMIT_MS, MAIN } from "./attached.ts";
import { VpcdReader } from "./vpcd-reader.ts";

// A card's process is killed in the middle of what it writes: its file holds the state before or after, whole.

/** How often it is killed in each of the commands. */
const KILLS = 10;
/** Latest moment of a kill, ms after the command was sent: a little more than a command takes. */
const LATEST_MS = 6;

const SELECT = "00a4040005a000000308";
/** The certificate of slot 9A, as big as one may be, so that there is much to write. */
const OBJECT = 0x5f_c1_05;
const OBJECT_BYTES = 2_900;
const SLOT = 0x9a;

let folder: string;
let file: string;
let reader: VpcdReader;
let vpcd: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "killed-card-"));
  file = join(folder, "test.card");
  const { provisioned } = await selectedCard();
  await writeFile(file, writeState(provisioned), { mode: 0o600 });
  for (const path of [folder, file]) await chown(path, users.alice.uid, users.alice.gid);
  reader = new VpcdReader();
  vpcd = await reader.listen();
});
afterEach(async () => {
  await reader[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

const stateInFile = async (): Promise<PivState> => readState(await readFile(file, "utf8"));
const without = (slot: SlotNumber, { keys }: PivState): ReadonlyMap<SlotNumber, StoredKey> =>
  new Map([...keys].filter(([other]) => other !== slot));
const say = async (command: string): Promise<string> => (await reader.say(command)) ?? "nothing";

/** Puts the card in, sends it a command, and kills it at some moment from then on. Gives the answer, if there was one. */
async function killIn(command: string): Promise<string | undefined> {
  const inserted = reader.insert();
  await using card = start("node", [MAIN, "card", "piv", file, "--vpcd", vpcd], { user: "alice" });
  await Promise.race([inserted, card.exited.then(() => expect.fail(card.output))]);
  expect(await readdir(folder)).toEqual([".test.card.lock", "test.card"]); // and no half of a new one
  expect(await say(SELECT)).toMatch(/9000$/);
  await letIn(say);
  const answered = reader.say(command);
  await delay(randomInt(LATEST_MS * 10) / 10);
  card.kill("SIGKILL");
  expect(await card.exited).toEqual({ status: undefined, signal: "SIGKILL" });
  return await answered;
}

test(`in ${KILLS} times PUT DATA`, { timeout: 2 * LIMIT_MS }, async () => {
  for (let kill = 0; kill < KILLS; kill += 1) {
    const before = await stateInFile();
    const object = randomBytes(OBJECT_BYTES);
    const value = `53820${object.length.toString(16)}${object.toString("hex")}`;
    const data = `5c035fc105${value}`;
    const length = (data.length / 2).toString(16).padStart(6, "0");
    const answer = await killIn(`00db3fff${length}${data}`);
    const after = { ...before, objects: new Map([...before.objects, [OBJECT, object]]) };
    const now = await stateInFile();
    expect(["9000", undefined]).toContain(answer);
    expect(answer === undefined ? [before, after] : [after]).toContainEqual(now);
  }
});

test(`in ${KILLS} times GENERATE ASYMMETRIC KEY PAIR`, { timeout: 2 * LIMIT_MS }, async () => {
  for (let kill = 0; kill < KILLS; kill += 1) {
    const before = await stateInFile();
    const answer = await killIn(`004700${SLOT.toString(16)}05ac03800111`);
    const now = await stateInFile();
    expect({ ...now, keys: without(SLOT, now) }).toEqual({
      ...before,
      keys: without(SLOT, before),
    });
    const key = Buffer.from(now.keys.get(SLOT)?.privateKey ?? []).toString("hex");
    const point = answer?.slice("7f49438641".length, -"9000".length) ?? "";
    expect(key.endsWith(point)).toBe(true); // as PKCS #8 does
  }
});
