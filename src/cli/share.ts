import type { Line } from "../carriers/carrier.ts";
import { sshLine } from "../carriers/ssh/line.ts";
import type { Published } from "../carriers/ssh/remote-socket.ts";
import { splitCommand } from "../carriers/ssh/split-command.ts";
import type { CardService } from "../domain/card-service.ts";
import { globMatcher } from "../domain/glob.ts";
import { Holdings } from "../domain/holdings.ts";
import { Watchable } from "../domain/watchable.ts";
import { runtimeDirectory } from "../host/paths.ts";
import { makeScratchDirectory } from "../host/scratch-directory.ts";
import { canAsk } from "../host/terminal.ts";
import { lentReaders } from "../services/lent-readers.ts";
import type { Io } from "./io.ts";
import { lend, type LendingOptions } from "./lend.ts";
import { openReaders } from "./open.ts";
import { PLAIN_WAY } from "./options.ts";
import { tellIfSlow } from "./patience.ts";
import { printable } from "./report.ts";
import type { Source } from "./sources.ts";

export interface ShareOptions extends Omit<LendingOptions, "directory" | "published" | "notice"> {
  /** Whose readers: this computer's. */
  readonly from: readonly Source[];
  /** Names or globs of the readers to lend; none: all. */
  readonly readers: readonly string[];
  readonly ssh: string | undefined;
  /** Starts although pcscd or the other computer cannot be reached yet. */
  readonly wait: boolean;
}

/** This computer's readers on another one. */
export interface Share extends AsyncDisposable {
  readonly line: Watchable<Line>;
  /** Another value for each connection; undefined until the first one. */
  readonly published: Watchable<Published | undefined>;
  /** What is lent. */
  readonly service: CardService;
  /** What people should know of the means, a sentence; undefined where there is nothing to tell. */
  readonly remark: () => string | undefined;
}

/**
 * Makes readers of this computer usable on another one, on a pcscd-compatible socket there. Disposing removes it.
 *
 * @throws {CardwireError} why it cannot, with what to do; then nothing is left behind.
 */
export async function share(
  options: ShareOptions,
  { io, signal }: { io: Io; signal: AbortSignal },
): Promise<Share> {
  const holdings = new Holdings();
  const hold = <T extends AsyncDisposable>(one: T): T => holdings.hold(one);
  const release = () => holdings[Symbol.asyncDispose]();
  try {
    const scratch = await makeScratchDirectory(await runtimeDirectory(), "share");
    const directory = scratch.path;
    hold({ [Symbol.asyncDispose]: scratch.remove });
    const open = { ...options, directory, canAskAgain: false, way: PLAIN_WAY };
    const { service: all } = hold(await openReaders(options.from, open, { io, signal }));
    const { readers } = options;
    const service = readers.length === 0 ? all : lentReaders(all, isNamed(readers));
    using _patience = tellIfSlow(io, `connecting to ${options.destination}`);
    const asks = canAsk(io.env);
    const line = hold(
      await sshLine({
        destination: options.destination,
        ssh: splitCommand(options.ssh ?? io.env["CARDWIRE_SSH"] ?? "ssh"),
        directory,
        canAsk: asks,
        canAskAgain: asks,
        keepTrying: options.wait,
        notice: (text) => io.err(text.trimEnd()),
        signal,
      }),
    );
    const published = new Watchable<Published | undefined>(undefined);
    const lending = hold(
      lend(service, line, {
        ...options,
        directory,
        published,
        notice: (text) => io.err(printable(text)),
      }),
    );
    await lending.begun({ signal });
    signal.throwIfAborted();
    return {
      line: line.state,
      published,
      service,
      remark: () => lending.remark,
      [Symbol.asyncDispose]: release,
    };
  } catch (error) {
    await release();
    throw error;
  }
}

/** A reader's own name counts as it is, although brackets in it mean something in a glob. */
function isNamed(patterns: readonly string[]): (name: string) => boolean {
  const globs = patterns.map(globMatcher);
  return (name) => patterns.includes(name) || globs.some((matches) => matches(name));
}
