import type { Carrier } from "../carriers/carrier.ts";
import { canAsk } from "../host/terminal.ts";
import type { PcscdOptions } from "../services/pcscd/daemon.ts";
import type { PcscdService } from "../services/pcscd/service.ts";
import type { Io } from "./io.ts";
import { tellIfSlow } from "./patience.ts";
import type { Where } from "./where.ts";

export interface OpenOptions extends PcscdOptions {
  /** A command line to use in place of `ssh`. */
  readonly ssh: string | undefined;
  /** An existing directory of ours alone, for ssh's sockets. */
  readonly directory: string;
  /** Whether a person may be asked again when the line has to be set up anew. */
  readonly canAskAgain: boolean;
}

/** Readers that were opened. Disposing closes the line as well. */
export interface OpenReaders extends AsyncDisposable {
  readonly service: PcscdService;
  readonly carrier: Carrier;
}

/**
 * Opens the readers at WHERE. Imports are inside, so that `--help` loads none of them.
 *
 * @throws {CardwireError} why it cannot, with what to do.
 */
export async function openReaders(
  where: Where,
  options: OpenOptions,
  { io, signal }: { io: Io; signal: AbortSignal },
): Promise<OpenReaders> {
  const { pcscdService } = await import("../services/pcscd/service.ts");
  using _patience = tellIfSlow(
    io,
    `connecting to ${where.kind === "ssh" ? where.host : where.path}`,
  );
  const carrier = await openCarrier(where, options, { io, signal });
  try {
    const service = await pcscdService(carrier, options, { signal });
    return {
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
  where: Where,
  options: OpenOptions,
  { io, signal }: { io: Io; signal: AbortSignal },
): Promise<Carrier> {
  if (where.kind === "unix") {
    const { unixCarrier } = await import("../carriers/unix.ts");
    return unixCarrier(where.path);
  }
  const { sshCarrier } = await import("../carriers/ssh/carrier.ts");
  const { splitCommand } = await import("../carriers/ssh/split-command.ts");
  const asks = canAsk(io.env);
  return await sshCarrier({
    destination: where.destination,
    ssh: splitCommand(options.ssh ?? io.env["CARDWIRE_SSH"] ?? "ssh"),
    directory: options.directory,
    canAsk: asks,
    canAskAgain: asks && options.canAskAgain,
    notice: (text) => io.err(text.trimEnd()),
    signal,
  });
}
