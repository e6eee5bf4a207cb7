import { once } from "node:events";
import { chown, copyFile, mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openPivCard } from "../../../src/cli/cards/piv-card-file.ts";
import type { CardService } from "../../../src/domain/card-service.ts";
import { PcscliteServer } from "../../../src/fronts/pcsclite/server.ts";
import { SoftwareReaders } from "../../../src/services/software/service.ts";
import { readerNames, startPcscd } from "../../lab/pcscd.ts";
import { until } from "../../lab/processes.ts";
import { type Finished, run, start } from "../../lab/programs.ts";
import { users } from "../../lab/users.ts";
import { MAIN, PATIENCE_MS, using } from "./cardwire.ts";

/** What a command line said, where it must not matter where the card lies. */
export type Said = Pick<Finished, "status" | "stdout" | "stderr">;

/** A place where a PIV card lies in a reader, and a directory for what programs make there. */
export interface PivPlace extends AsyncDisposable {
  readonly socket: string;
  /** The card's file. */
  readonly file: string;
  /** Runs a shell script as alice, in the place's directory. */
  say(script: string): Promise<Said>;
}

type End = () => unknown;

/** Makes a place out of parts; what was made is ended in the opposite order, also when the next part fails. */
async function place(
  file: string,
  make: (made: { work: string; copy: string; ends: End[] }) => Promise<string>,
): Promise<PivPlace> {
  const work = await mkdtemp(join(tmpdir(), "piv-"));
  const copy = join(work, "test.card");
  const ends: End[] = [() => rm(work, { recursive: true, force: true })];
  const end = async (): Promise<void> => {
    for (const one of ends.toReversed()) await one();
  };
  try {
    await copyFile(file, copy);
    await chown(work, users.alice.uid, users.alice.gid);
    const socket = await make({ work, copy, ends });
    return { socket, file: copy, say: shell(socket, work), [Symbol.asyncDispose]: end };
  } catch (error) {
    await end();
    throw error;
  }
}

const shell =
  (socket: string, work: string) =>
  async (script: string): Promise<Said> => {
    const options = { user: "alice", timeoutMs: PATIENCE_MS, cwd: work } as const;
    const env = { ...using(socket), HOME: work };
    const { status, stdout, stderr } = await run("sh", ["-c", script], { ...options, env });
    return { status, stdout, stderr };
  };

/** A card that `cardwire card piv` puts into the reader of a real pcscd. */
export const behindPcscd = (file: string): Promise<PivPlace> =>
  place(file, async ({ copy, ends }) => {
    await chown(copy, users.alice.uid, users.alice.gid);
    const pcscd = await startPcscd({ cards: [{ inserted: false }] });
    ends.push(() => pcscd[Symbol.asyncDispose]());
    const card = start("node", [MAIN, "card", "piv", copy], { user: "alice", on: pcscd.network });
    ends.push(() => card.stop());
    await card.waitForLine(/is in the reader/, { timeoutMs: PATIENCE_MS });
    await until("pcscd to list the card", async () => {
      const [reader] = await pcscd.readers();
      return reader !== undefined && reader.atr !== "";
    });
    return pcscd.socketPath;
  });

/** A card in a software reader of this process, on a socket as pcscd's. @param wrap what programs see of the readers. */
export const inSoftware = (
  file: string,
  wrap: (readers: CardService) => CardService = (readers) => readers,
): Promise<PivPlace> =>
  place(file, async ({ work, copy, ends }) => {
    const opened = await openPivCard(copy, (why) => {
      throw why;
    });
    ends.push(() => opened[Symbol.asyncDispose]());
    const readers = new SoftwareReaders(readerNames);
    ends.push(() => readers[Symbol.asyncDispose]());
    await readers.insert(readerNames[0], opened.card);
    const server = createServer({ noDelay: true });
    const front = new PcscliteServer(server, wrap(readers));
    ends.push(() => front[Symbol.asyncDispose]());
    const socket = join(work, "pcscd.comm");
    server.listen({ path: socket, writableAll: true });
    await once(server, "listening");
    ends.push(() => void server.close());
    return socket;
  });
