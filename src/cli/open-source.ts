import type { Carrier } from "../carriers/carrier.ts";
import type { PcscdOptions } from "../services/pcscd/daemon.ts";
import type { PcscdService } from "../services/pcscd/service.ts";
import type { Io } from "./io.ts";
import { tellIfSlow } from "./patience.ts";
import type { Source } from "./sources.ts";

export interface OpenSourceOptions extends PcscdOptions {
  /** A command line to use in place of `ssh`. */
  readonly ssh: string | undefined;
  /** An existing directory of ours alone, for ssh's sockets. */
  readonly directory: string;
  /** Whether a person can be asked now. */
  readonly canAsk: boolean;
  /** Whether a person may be asked again when the line has to be set up anew. */
  readonly canAskAgain: boolean;
  /** Opens it although it cannot be reached now, and tries until it can. */
  readonly keepTrying: boolean;
}

/** A place's pcscd and the way to it. Disposing closes both. */
export interface OpenSource extends AsyncDisposable {
  readonly source: Source;
  readonly service: PcscdService;
  readonly carrier: Carrier;
}

/**
 * How long ssh may take to reach a host for which nobody else is to wait, s. Its own limit is the system's, some two
 * minutes for a computer that is off. In it somebody may have to type a jump host's password.
 */
const CONNECT_SECONDS = { asking: 30, unasked: 10 } as const;

/**
 * Opens the readers at one place. Imports are inside, so that `--help` loads none of them.
 *
 * @throws {CardwireError} why it cannot, with what to do.
 */
export async function openSource(
  source: Source,
  options: OpenSourceOptions,
  context: { io: Io; signal: AbortSignal },
): Promise<OpenSource> {
  const { keepTrying } = options;
  const { signal } = context;
  const { pcscdService } = await import("../services/pcscd/service.ts");
  using _patience = tellIfSlow(context.io, `connecting to ${source.text}`);
  const carrier = await openCarrier(source, options, context);
  try {
    const service = await pcscdService(carrier, options, { signal, keepTrying });
    return {
      source,
      service,
      carrier,
      async [Symbol.asyncDispose]() {
        await service[Symbol.asyncDispose]();
        await carrier[Symbol.asyncDispose]();
      },
    };
  } catch (error) {
    await carrier[Symbol.asyncDispose]();
    throw error;
  }
}

async function openCarrier(
  { where }: Source,
  { ssh, directory, canAsk, canAskAgain, keepTrying }: OpenSourceOptions,
  { io, signal }: { io: Io; signal: AbortSignal },
): Promise<Carrier> {
  signal.throwIfAborted();
  if (where.kind === "unix") {
    const { unixCarrier } = await import("../carriers/unix.ts");
    return unixCarrier(where.path);
  }
  const { sshCarrier } = await import("../carriers/ssh/carrier.ts");
  const { splitCommand } = await import("../carriers/ssh/split-command.ts");
  const seconds = canAsk ? CONNECT_SECONDS.asking : CONNECT_SECONDS.unasked;
  return await sshCarrier({
    destination: where.destination,
    ssh: [
      ...splitCommand(ssh ?? io.env["CARDWIRE_SSH"] ?? "ssh"),
      ...(keepTrying ? ["-o", `ConnectTimeout=${seconds}`] : []),
    ],
    directory,
    canAsk,
    canAskAgain: canAsk && canAskAgain,
    keepTrying,
    notice: (text) => io.err(text.trimEnd()),
    signal,
  });
}
