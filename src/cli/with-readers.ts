import { rm } from "node:fs/promises";
import { makeOwnedDirectory } from "../host/owned-directory.ts";
import { runtimeDirectory } from "../host/paths.ts";
import { untilSignal } from "../host/signals.ts";
import type { ReadersDeps } from "./commands/readers.ts";
import type { Io } from "./io.ts";
import { openReaders } from "./open.ts";

/** Opens readers without a socket of their own, for commands that only look. */
export const withReaders =
  (io: Io): ReadersDeps["withReaders"] =>
  async (where, { ssh }, use) => {
    using signals = untilSignal();
    const directory = await makeOwnedDirectory(await runtimeDirectory(), "look");
    try {
      const options = {
        pipelining: true,
        rememberFeatures: true,
        keepWarm: false,
        ssh,
        directory,
        canAskAgain: false,
      };
      await using readers = await openReaders(where, options, { io, signal: signals.signal });
      use(readers.service);
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  };
