import type { Carrier } from "../carriers/carrier.ts";
import type { Io } from "./io.ts";
import type { OpenSource, OpenSourceOptions } from "./open-source.ts";
import { tellIfSlow } from "./patience.ts";
import type { Source } from "./sources.ts";

/**
 * How long ssh may take to reach a host for which nobody else is to wait, s. Its own limit is the system's, some two
 * minutes for a computer that is off. In it somebody may have to type a jump host's password.
 */
const CONNECT_SECONDS = { asking: 30, unasked: 10 } as const;

/**
 * Opens the readers of a pcscd, here or at the other end of ssh.
 *
 * @throws {CardwireError} why it cannot, with what to do.
 */
export async function openPcscd(
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
    const protocol = () => service.traits && `4:${service.traits.minor}`;
    return {
      source,
      name: carrier.name,
      service,
      get server() {
        return `pcscd protocol ${protocol()}`;
      },
      get protocol() {
        return protocol();
      },
      get absence() {
        return service.absence;
      },
      roundTrip: (within) => service.roundTrip(within),
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
  if (where.kind === "software" || where.kind === "demo")
    throw new TypeError("software readers have no pcscd");
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
