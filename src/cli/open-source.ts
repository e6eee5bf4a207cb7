import type { CardService } from "../domain/card-service.ts";
import type { CardwireError } from "../domain/errors.ts";
import type { Leasing } from "../domain/leasing.ts";
import type { PcscdOptions } from "../services/pcscd/daemon.ts";
import type { LinkFigures } from "../services/remote/figures.ts";
import type { RemoteServiceOptions } from "../services/remote/service.ts";
import type { Io } from "./io.ts";
import { tellIfSlow } from "./patience.ts";
import type { Source } from "./sources.ts";

/** By what means ssh brings us to the readers: an agent at the other end, a forward to its pcscd, or what is best. */
export type Via = "auto" | "agent" | "forward";

export interface WayOptions {
  readonly via: Via;
  /** The Node.js that is to run an agent there. */
  readonly remoteNode: string | undefined;
  /** Has an agent fetch what a card announces with 61xx. */
  readonly prefetch: boolean;
  /** How long a break of the line may take until handles, and transactions, are lost. */
  readonly patience: RemoteServiceOptions["patience"];
}

export interface OpenSourceOptions extends PcscdOptions {
  readonly way: WayOptions;
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
  /** Where the cards of other programs connect to software readers; 35,963 unless told, 0 for any that are free. */
  readonly vpcdPort?: number | undefined;
}

/** The readers at one place, and what can be told of it. Disposing closes the way there, too. */
export interface OpenSource extends AsyncDisposable {
  readonly source: Source;
  /** How events call the place: their `at`. */
  readonly name: string;
  readonly service: CardService;
  /** Who serves the readers there, for people: `pcscd protocol 4:4`. */
  readonly server: string;
  /** pcscd's, such as `4:4`. Undefined until it was reached, and where there is none. */
  readonly protocol: string | undefined;
  /** What people should know of the way there, a sentence; absent where there is nothing to tell. */
  readonly remark?: string | undefined;
  /** What of the means was used; undefined where there is no choice. */
  readonly via?: Exclude<Via, "auto"> | undefined;
  /** Who keeps the readers there, beyond ssh: an agent of this attachment's own, or a `cardwire serve` that was joined. */
  readonly keeper?: "agent" | "serve" | undefined;
  /** Of the link to another cardwire there; undefined where there is none. */
  readonly figures?: LinkFigures | undefined;
  /** Gives leases of its readers; absent where nobody there could. */
  readonly leasing?: Leasing | undefined;
  /** Why it cannot be reached now. */
  readonly absence: CardwireError | undefined;
  /** The shortest of a few round trips, ms; undefined where there is none to measure. */
  roundTrip(options: { signal: AbortSignal }): Promise<number | undefined>;
}

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
  if (source.where.kind === "software") {
    const { openSoftware } = await import("./open-software.ts");
    return await openSoftware(source, options);
  }
  if (source.where.kind === "demo") {
    const { openDemo } = await import("./open-demo.ts");
    return await openDemo(source);
  }
  if (source.where.kind === "ssh") {
    const { openSsh } = await import("./open-ssh.ts");
    return await openSsh({ ...source, where: source.where }, options, context);
  }
  if (source.where.kind === "cardwire") {
    const { openCardwire } = await import("./open-cardwire.ts");
    return await openCardwire({ ...source, where: source.where }, options, context);
  }
  using _patience = tellIfSlow(context.io, `connecting to ${source.text}`);
  const { openPcscd } = await import("./open-pcscd.ts");
  const { unixCarrier } = await import("../carriers/unix.ts");
  return await openPcscd(source, unixCarrier(source.where.path), options, context);
}
