import { CardwireError } from "../../domain/errors.ts";

/** Bytes that ssh appends to a ControlPath while it binds it: a dot and 16 random characters (mux.c). */
export const CONTROL_PATH_SUFFIX_BYTES = 17;

/** How long a master lives on without anything open in it, s. Long enough for us to take hold of it. */
const PERSIST_SECONDS = 5;

export interface Master {
  readonly destination: string;
  readonly controlPath: string;
}

/**
 * Arguments for a connection of our own that other `ssh` processes share. It goes to the background when it is ready;
 * the exit status 0 says so. Keys, jump hosts and known hosts are the user's own, from ssh_config.
 */
export function masterArguments({
  destination,
  controlPath,
  logPath,
  canAsk,
  connectSeconds,
}: Master & {
  readonly logPath: string;
  readonly canAsk: boolean;
  /** How long it may take to reach the host and to agree on keys, s; as ssh_config says, otherwise. */
  readonly connectSeconds?: number | undefined;
}): string[] {
  const settings = [
    ...(connectSeconds === undefined ? [] : [`ConnectTimeout=${connectSeconds}`]),
    ...(canAsk ? [] : ["BatchMode=yes"]), // a service has no one to ask
    `ControlPersist=${PERSIST_SECONDS}`, // ends by itself when nobody holds it, even after kill -9 of ours
    "ClearAllForwardings=yes", // the user's LocalForward and RemoteForward are for his own sessions
    "RemoteCommand=none",
    "RequestTTY=no",
    "PermitLocalCommand=no",
    "ForwardAgent=no",
    "ForwardX11=no",
    "Tunnel=no",
    "ServerAliveInterval=5", // with CountMax: a dead line is noticed after some 20 s
    "ServerAliveCountMax=3",
    "ExitOnForwardFailure=yes",
    "LogLevel=INFO", // a QUIET in ssh_config would hide why it failed
  ];
  return [
    "-M",
    "-S",
    tokenless(controlPath),
    "-f", // prompts still reach the terminal; afterwards in a session of its own, out of reach of Ctrl-C
    "-N",
    "-T",
    "-E",
    logPath,
    ...settings.flatMap((setting) => ["-o", setting]),
    "--",
    destination,
  ];
}

/** Arguments that talk to the running master: about itself, or with more words, through it. */
function throughMaster({ controlPath }: Master, words: readonly string[]): string[] {
  return ["-F", "none", "-S", tokenless(controlPath), ...words]; // -F none: no LocalForward from the user's file
}

export function controlArguments(master: Master, command: "check" | "exit"): string[] {
  return [...throughMaster(master, ["-O", command]), "--", master.destination];
}

/** A Unix socket at one end of the connection that leads to one at the other. */
export interface Forward {
  /** Which end listens: ours (`-L`) or the other (`-R`). */
  readonly listens: "here" | "there";
  /** On this computer. */
  readonly localSocket: string;
  /** On the other computer. */
  readonly remoteSocket: string;
}

/**
 * Adds a forward in place, or takes it away; the socket that listened stays as a file. One that listens here gets mode
 * 0600; for one over there that is sshd's to say, whose default is the same.
 */
export function forwardArguments(
  master: Master,
  command: "forward" | "cancel",
  { listens, localSocket, remoteSocket }: Forward,
): string[] {
  const [option, ends] =
    listens === "here" ? ["-L", [localSocket, remoteSocket]] : ["-R", [remoteSocket, localSocket]];
  const mask = ["-o", "StreamLocalBindMask=0177"]; // ssh's own default, whatever the system's ssh_config says
  const words = [...mask, "-O", command, option, ends.map(forwardField).join(":")];
  return [...throughMaster(master, words), "--", master.destination];
}

/** Runs `sh` over there, which reads its script from standard input. Fails instead of connecting anew without the master. */
export function shellArguments(master: Master): string[] {
  const settings = ["BatchMode=yes", "ProxyCommand=false", "ClearAllForwardings=yes"];
  const words = ["-T", ...settings.flatMap((setting) => ["-o", setting])];
  return [...throughMaster(master, words), "--", master.destination, "sh"];
}

/** A path in which ssh finds no `%` tokens to replace. It replaces `${VARIABLE}` too, and that cannot be escaped. */
export function tokenless(path: string): string {
  if (path.includes("${")) {
    throw new CardwireError("E_SOCKET_PATH", `ssh cannot use the path ${path}`, {
      hint: "Choose one without '${'.",
    });
  }
  return path.replaceAll("%", "%%");
}

/** Colons part the fields of a forward; a backslash takes their meaning away (readconf.c, parse_fwd_field). */
function forwardField(path: string): string {
  return tokenless(path).replaceAll(/[\\:]/g, String.raw`\$&`);
}
