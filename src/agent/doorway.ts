import { rm, utimes } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { explainFileError } from "../host/file-errors.ts";
import { makeOwnedDirectory, sweepOwnedDirectories } from "../host/owned-directory.ts";
import { runtimeDirectory } from "../host/paths.ts";
import { GREETING } from "../link/greeting.ts";

/** How often the socket is touched, ms: what is old in /tmp is cleaned away (tmpfiles.d(5): after ten days). */
const TOUCH_MS = 3_600_000;

/** Where the other cardwire comes in. */
export interface Doorway extends AsyncDisposable {
  readonly socket: string;
}

/**
 * Listens in a directory that only this user can enter.
 *
 * @param welcome gets each stream, which was greeted.
 * @throws {CardwireError} why the directory cannot be made.
 */
export async function openDoorway(welcome: (stream: Socket) => void): Promise<Doorway> {
  const runtime = await runtimeDirectory();
  await sweepOwnedDirectories(runtime, "agent");
  const directory = await makeOwnedDirectory(runtime, "agent").catch((cause: unknown) => {
    throw explainFileError(cause, "the agent's directory", runtime);
  });
  const remove = () => rm(directory, { recursive: true, force: true });
  const server = createServer((stream) => {
    stream.on("error", () => {}); // "close" follows
    stream.write(Uint8Array.of(GREETING));
    welcome(stream);
  });
  const socket = join(directory, "link");
  try {
    await listen(server, socket);
  } catch (error) {
    await remove();
    throw error;
  }
  const touching = setInterval(() => {
    const now = new Date();
    for (const path of [directory, socket]) void utimes(path, now, now).catch(() => {}); // gone: nobody comes any more
  }, TOUCH_MS);
  touching.unref();
  return {
    socket,
    async [Symbol.asyncDispose]() {
      clearInterval(touching);
      server.close();
      await remove();
    },
  };
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(path, () => {
      server.off("error", reject);
      resolve();
    });
  });
}
