import { hostname, userInfo } from "node:os";
import { AgentWay, NoAgent } from "../agent/over-ssh/way.ts";
import { PCSCD_SOCKET, sshCarrierOn } from "../carriers/ssh/carrier.ts";
import { type SshLine, sshLine } from "../carriers/ssh/line.ts";
import { splitCommand } from "../carriers/ssh/split-command.ts";
import { remoteService } from "../services/remote/service.ts";
import { agentRemark, noAgentError, noAgentRemark } from "./agent-remarks.ts";
import type { Io } from "./io.ts";
import { openLate } from "./open-late.ts";
import { openPcscd } from "./open-pcscd.ts";
import type { OpenSource, OpenSourceOptions } from "./open-source.ts";
import { tellIfSlow } from "./patience.ts";
import { printable } from "./report.ts";
import type { Source } from "./sources.ts";

/**
 * How long ssh may take to reach a host for which nobody else is to wait, s. Its own limit is the system's, some two
 * minutes for a computer that is off. In it somebody may have to type a jump host's password.
 */
const CONNECT_SECONDS = { asking: 30, unasked: 10 } as const;

/** How long nobody may use the readers until an agent may let its pcscd rest, ms: as over a forward. */
const REST_AFTER_MS = 600_000;

type SshSource = Source & { readonly where: { readonly kind: "ssh" } };

interface Context {
  readonly io: Io;
  readonly signal: AbortSignal;
}

/**
 * Opens the readers at the other end of ssh: through an agent there, or else through a forward to its pcscd.
 *
 * @throws {CardwireError} why it cannot, with what to do.
 */
export async function openSsh(
  source: SshSource,
  options: OpenSourceOptions,
  context: Context,
): Promise<OpenSource> {
  using _patience = tellIfSlow(context.io, `connecting to ${source.text}`);
  const line = await openLine(source, options, context);
  const { via } = options.way;
  if (via !== "forward" && !line.state.value.up)
    return openLate(source, line, (within) => openOn(line, source, options, within));
  try {
    return await openOn(line, source, options, context);
  } catch (error) {
    await line[Symbol.asyncDispose]();
    throw error;
  }
}

/** Over a line that is the caller's until this succeeds; closing what it gives closes the line. */
async function openOn(
  line: SshLine,
  source: Source,
  options: OpenSourceOptions,
  { signal }: { signal: AbortSignal },
): Promise<OpenSource> {
  const agent = await openAgent(source, line, options, { signal });
  if (typeof agent === "object") return agent;
  const carrier = await sshCarrierOn(line, { signal });
  const opened = await openPcscd(source, carrier, options, { signal });
  return Object.defineProperties(opened, { via: { value: "forward" }, remark: { value: agent } });
}

async function openLine(
  { where }: SshSource & { where: Extract<Source["where"], { kind: "ssh" }> },
  { ssh, directory, canAsk, canAskAgain, keepTrying }: OpenSourceOptions,
  { io, signal }: Context,
): Promise<SshLine> {
  signal.throwIfAborted();
  const seconds = canAsk ? CONNECT_SECONDS.asking : CONNECT_SECONDS.unasked;
  return await sshLine({
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

/** @returns why there is none, where a forward serves as well; undefined where one is wanted. */
async function openAgent(
  source: Source,
  line: SshLine,
  options: OpenSourceOptions,
  { signal }: { signal: AbortSignal },
): Promise<OpenSource | string | undefined> {
  const { via, remoteNode, patience, prefetch } = options.way;
  if (via === "forward") return undefined;
  const { pipelining, rememberFeatures, keepWarm, keepTrying } = options;
  const common = { ...patience, pipelining, rememberFeatures, keepWarm };
  const way = new AgentWay(line, {
    remoteNode,
    order: ({ secret, isAgain }) => ({
      do: "keep",
      secret,
      place: line.destination,
      pcscd: PCSCD_SOCKET,
      ...common,
      keepTrying: keepTrying || isAgain, // once it was there, a pcscd that is away is waited for over there
    }),
  });
  try {
    await way.start({ signal });
  } catch (error) {
    if (!(error instanceof NoAgent)) throw error;
    if (via === "agent" || remoteNode !== undefined) throw noAgentError(error, line.destination);
    return noAgentRemark(error, source.text);
  }
  const about = `${userInfo().username}@${hostname()}`;
  const restAfterMs = keepWarm ? undefined : REST_AFTER_MS;
  const remote = { pipelining, prefetch, patience, about, restAfterMs };
  const service = await remoteService(way, remote, { signal });
  return {
    source,
    name: way.name,
    service,
    leasing: service,
    get server() {
      const server = printable(service.server); // its own words
      const isSent = way.runner === "node" && way.keeper?.by !== "serve";
      return isSent ? `${server}, sent from here` : server;
    },
    get protocol() {
      return /protocol (4:\d+)/.exec(service.server)?.[1];
    },
    get remark() {
      return agentRemark(way, source.text, "programs lose their cards");
    },
    via: "agent",
    get keeper() {
      return way.keeper?.by ?? "agent";
    },
    get figures() {
      return service.figures;
    },
    absence: undefined,
    roundTrip: (within) => service.roundTrip(within),
    async [Symbol.asyncDispose]() {
      await service[Symbol.asyncDispose]();
      await line[Symbol.asyncDispose]();
    },
  };
}
