import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { setTimeout as delay } from "node:timers/promises";
import { unixCarrier } from "../carriers/unix.ts";
import { shellWord } from "../domain/shell-word.ts";
import { makeOwnedDirectory, sweepOwnedDirectories } from "../host/owned-directory.ts";
import type { CardwirePlace } from "../joined/open.ts";
import { groups } from "./check.ts";
import { type CheckName, checks } from "./checks.ts";
import { type Finding, finding, type Place } from "./finding.ts";
import { lookAtDaemon } from "./gather/daemon.ts";
import { lookAtPrograms, lookAtSession } from "./gather/environment.ts";
import { lookAtFarHost } from "./gather/far-host.ts";
import { lookAtJoined } from "./gather/joined-host.ts";
import { lookAtLibraries, lookAtRoot } from "./gather/libraries.ts";
import { lookAtNearHost } from "./gather/near-host.ts";
import { lookAtNode } from "./gather/node.ts";
import { lookAtOwnServe } from "./gather/own-serve.ts";
import { lookAtService, lookAtSocket } from "./gather/socket-place.ts";
import { lookAtSockets } from "./gather/sockets.ts";
import { judgeEnvironment, type Source } from "./judge/environment.ts";
import { judgeJoined } from "./judge/joined-host.ts";
import { judgeLibraries, type LibrariesCase } from "./judge/libraries.ts";
import { judgeLine } from "./judge/line.ts";
import { judgeNode } from "./judge/node.ts";
import { judgeOwnServe } from "./judge/own-serve.ts";
import { type DaemonFacts, judgePcscd, type PcscdCase } from "./judge/pcscd.ts";
import { judgeReaders, judgeSameReaders } from "./judge/readers.ts";
import { judgeSockets, type SocketFacts } from "./judge/sockets.ts";
import { judgeSsh } from "./judge/ssh.ts";
import { judgeSshd } from "./judge/sshd.ts";

export interface ExamineOptions {
  /** The computer with the readers: another one, by ssh or as it was joined, or this one. */
  readonly cardHost:
    | {
        readonly kind: "ssh";
        readonly destination: string;
        /** The program and the arguments to begin with. */
        readonly ssh: readonly string[];
        readonly canAsk: boolean;
      }
    | {
        readonly kind: "unix";
        readonly socket: string;
        /** Whether a person asked for this socket. */
        readonly asked: boolean;
      }
    | ({ readonly kind: "cardwire" } & CardwirePlace);
  /** Of cardwire here, such as `0.2.0`. */
  readonly release: string;
  /** Where pcscd's socket is on every Linux. */
  readonly standardSocket: string;
  /** PCSCLITE_CSOCK_NAME. */
  readonly variable: string | undefined;
  /** The run-time directory, which need not exist. */
  readonly runtime: string;
  /** Programs that a person asks about. */
  readonly programs: readonly string[];
  /** Roots of other systems, such as containers, to look for libraries in. */
  readonly roots: readonly string[];
  readonly signal: AbortSignal;
}

/** How long a part of the examination may take, ms. Where a person has to answer ssh's questions, it is longer. */
const PART_MS = 45_000;
const ASKING_MS = 150_000;

/**
 * Examines a card host and this computer, and says what it found, by groups. Changes nothing; a part that fails or does
 * not come to an end is a finding of its own.
 *
 * @throws the signal's reason, when it aborts.
 */
export async function examine(options: ExamineOptions): Promise<readonly Finding[]> {
  const { runtime, roots, signal } = options;
  const sockets = lookAtSockets(runtime, { signal });
  const libraries = lookAtLibraries({ signal });
  const asking = options.cardHost.kind === "ssh" && options.cardHost.canAsk;
  const parts = await Promise.all([
    part("the card host", cardHost(options, sockets), asking ? ASKING_MS : PART_MS),
    part("serve", ownServe(options)),
    part("sockets", sockets.then(judgeSockets)),
    part("the environment", environment(options, sockets, libraries)),
    part("libraries", libraries.then(judgeLibraries)),
    ...roots.map((root) => part(`libraries in ${root}`, libraryRoot(root, signal))),
    part("Node.js", node()),
  ]);
  signal.throwIfAborted();
  return byGroup(parts.flat());
}

/** The findings of one part, or one that says why there are none. */
async function part(
  name: string,
  findings: Promise<readonly Finding[]>,
  limitMs = PART_MS,
): Promise<readonly Finding[]> {
  const stop = new AbortController();
  const late = delay(limitMs, "late" as const, { signal: stop.signal });
  late.catch(() => {}); // it is stopped when it is not needed
  try {
    const outcome = await Promise.race([findings, late]);
    if (outcome !== "late") return outcome;
    return [finding("check-failed", "note", `${name}: this did not come to an end in time`)];
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return [finding("check-failed", "note", `${name} could not be examined: ${why}`)];
  } finally {
    stop.abort();
  }
}

async function cardHost(
  options: ExamineOptions,
  sockets: Promise<SocketFacts>,
): Promise<readonly Finding[]> {
  const { cardHost: target, signal } = options;
  if (target.kind === "unix") return await nearHost(target, options, sockets);
  if (target.kind === "cardwire") return judgeJoined(await lookAtJoined(target, options));
  const { destination } = target;
  await sweepOwnedDirectories(tmpdir(), PREFIX);
  const directory = await makeOwnedDirectory(tmpdir(), PREFIX);
  try {
    const far = { ...target, socket: options.standardSocket, directory, signal };
    const { ssh, forwards, daemon, host } = await lookAtFarHost(far);
    const place: Place = { name: destination, remote: true };
    const sshd = forwards ? judgeSshd(destination, forwards, host) : [];
    if (daemon === undefined) return judgeSsh(ssh);
    const sshdForbids = sshd.some(({ level }) => level === "fault");
    const { socket } = far;
    return [
      ...judgeSsh(ssh),
      ...sshd,
      ...judgeDaemon({ place, socket, needed: true, daemon, host, sshdForbids }),
      ...judgeSame(place, daemon, await sockets),
    ];
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** Of directories for ssh's sockets, in the system's place for temporary files: those paths are short. */
const PREFIX = "cardwire-doctor";

async function nearHost(
  { socket, asked }: { socket: string; asked: boolean },
  { variable, signal }: ExamineOptions,
  sockets: Promise<SocketFacts>,
): Promise<readonly Finding[]> {
  await using carrier = unixCarrier(socket);
  const [daemon, host, { attachments }] = await Promise.all([
    lookAtDaemon(carrier, { signal }),
    lookAtNearHost(socket, { signal }),
    sockets,
  ]);
  const needed = asked || (variable === undefined && attachments.length === 0);
  const place = { name: "this computer", remote: false };
  return judgeDaemon({ place, socket, needed, daemon, host });
}

function judgeDaemon(given: PcscdCase): readonly Finding[] {
  const { place, daemon, host } = given;
  if (daemon.state !== "answers") return judgePcscd(given);
  return [
    ...judgePcscd(given),
    ...judgeReaders({ place, readers: daemon.readers, host }),
    ...judgeLine(place, daemon.roundTripMs),
  ];
}

/** Attachments here to the very host that was examined must show what it has. */
function judgeSame(
  place: Place,
  daemon: DaemonFacts,
  { attachments }: SocketFacts,
): readonly Finding[] {
  if (daemon.state !== "answers") return [];
  const there = { place, readers: daemon.readers.map(({ name }) => name) };
  return attachments.flatMap(({ name, where, readers }) =>
    readers !== undefined && where.length === 1 && where[0] === place.name
      ? judgeSameReaders({ name, readers }, there)
      : [],
  );
}

async function environment(
  options: ExamineOptions,
  sockets: Promise<SocketFacts>,
  libraries: Promise<LibrariesCase>,
): Promise<readonly Finding[]> {
  const { variable, standardSocket, programs, signal } = options;
  const [here, place, standard, session, found, known] = await Promise.all([
    sockets,
    variable === undefined ? undefined : lookAtService(variable, { signal }),
    lookAtSocket(standardSocket, { signal }),
    variable === undefined ? undefined : lookAtSession({ signal }),
    lookAtPrograms(programs, { signal }),
    libraries.then(({ libraries: all }) => all).catch(() => []), // told by its own part
  ]);
  const sources = sourcesOf(here);
  const isOurs = sources.some(({ socket }) => socket === standardSocket);
  return judgeEnvironment({
    variable,
    place,
    standardSocket,
    localPcscd: standard === "answers" && !isOurs,
    sources,
    session,
    programs: found,
    librarySecure: known.some(({ secure }) => secure),
  });
}

/** Those that answer, attachments first. */
function sourcesOf({ attachments, shared }: SocketFacts): readonly Source[] {
  const name = (one: string): string => (attachments.length > 1 ? ` ${one}` : "");
  return [
    ...attachments.map((one) => ({
      socket: one.socket,
      title: `the attachment ${one.name}`,
      line: `eval "$(cardwire env${name(one.name)})"`,
    })),
    ...shared
      .filter(({ answers }) => answers)
      .map(({ path, lender }) => ({
        socket: path,
        title: `a socket that ${lender} shares`,
        line: `export PCSCLITE_CSOCK_NAME=${shellWord(path)}`,
      })),
  ];
}

/** A card host that was joined is another computer: what runs here says nothing of it. */
const ownServe = async (options: ExamineOptions): Promise<readonly Finding[]> =>
  options.cardHost.kind === "unix" && !options.cardHost.asked
    ? judgeOwnServe(await lookAtOwnServe(options.runtime, options))
    : [];

const libraryRoot = async (root: string, signal: AbortSignal): Promise<readonly Finding[]> =>
  judgeLibraries(await lookAtRoot(root, { signal }));

const node = async (): Promise<readonly Finding[]> => judgeNode(lookAtNode());

function byGroup(findings: readonly Finding[]): readonly Finding[] {
  const order = Object.keys(groups);
  const rank = (check: CheckName): number => order.indexOf(checks[check].group);
  return findings.toSorted((a, b) => rank(a.check) - rank(b.check));
}
