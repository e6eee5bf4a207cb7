import { runtimeDirectory } from "../host/paths.ts";
import type { ReadersDeps } from "./commands/readers.ts";
import type { Exit, Io } from "./io.ts";
import { PLAIN_WAY } from "./options.ts";
import { openReaders } from "./open.ts";
import { makeScratchDirectory } from "../host/scratch-directory.ts";
import { untilInterrupted } from "./until-interrupted.ts";

/** Opens readers without a socket of their own, for commands that only look. */
export const withReaders =
  (io: Io, exit: Exit): ReadersDeps["withReaders"] =>
  (sources, { ssh }, use) =>
    untilInterrupted(exit, async (signal) => {
      const directory = await makeScratchDirectory(await runtimeDirectory(), "look");
      try {
        const options = {
          pipelining: true,
          rememberFeatures: true,
          keepWarm: false,
          way: PLAIN_WAY,
          ssh,
          directory: directory.path,
          canAskAgain: false,
          vpcdPort: 0,
          wait: false,
        };
        await using readers = await openReaders(sources, options, { io, signal });
        use(readers);
      } finally {
        await directory.remove();
      }
    });
