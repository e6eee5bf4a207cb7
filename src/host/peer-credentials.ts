import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import type { Socket } from "node:net";
import { endianness } from "node:os";
import type * as Koffi from "koffi";

/** Who is at the other end of a Unix socket, as the kernel says it (SO_PEERCRED, unix(7)). */
export interface PeerCredentials {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}

// asm-generic/socket.h; other processors number these differently.
const SOL_SOCKET = 1;
const SO_PEERCRED = 17;
const knownArch = new Set(["x64", "arm64", "arm", "ia32", "riscv64", "s390x", "loong64"]);

/** `struct ucred`: pid_t pid, uid_t uid, gid_t gid. */
const UCRED_BYTES = 12;

type GetSockOpt = (
  fd: number,
  level: number,
  name: number,
  value: Uint8Array,
  length: number[],
) => number;

/** Undefined where the optional package koffi is not installed: Node.js itself has no call for it (libuv/libuv#2255). */
export function peerCredentials(socket: Socket): PeerCredentials | undefined {
  const fd = descriptor(socket);
  const call = getsockopt();
  if (fd === undefined || call === undefined) return undefined;
  const bytes = Buffer.alloc(UCRED_BYTES);
  if (call(fd, SOL_SOCKET, SO_PEERCRED, bytes, [UCRED_BYTES]) !== 0) return undefined;
  const little = endianness() === "LE";
  const at = (offset: number) => (little ? bytes.readUInt32LE(offset) : bytes.readUInt32BE(offset));
  return { pid: at(0), uid: at(4), gid: at(8) };
}

/** Whether {@link peerCredentials} can tell. */
export const canTellPeers = (): boolean => getsockopt() !== undefined;

/** `_handle.fd` is undocumented, and as old as Node.js. */
function descriptor(socket: Socket): number | undefined {
  const handle: unknown = "_handle" in socket ? socket._handle : undefined;
  if (typeof handle !== "object" || handle === null || !("fd" in handle)) return undefined;
  return typeof handle.fd === "number" && handle.fd >= 0 ? handle.fd : undefined;
}

let loaded: { readonly call: GetSockOpt | undefined } | undefined;

/** Loaded at the first use: a native library is not worth the start-up time of every command. */
function getsockopt(): GetSockOpt | undefined {
  loaded ??= { call: load() };
  return loaded.call;
}

function load(): GetSockOpt | undefined {
  if (!knownArch.has(process.arch)) return undefined;
  try {
    const koffi = createRequire(import.meta.url)("koffi") as typeof Koffi;
    const prototype =
      "int getsockopt(int fd, int level, int name, _Out_ uint8_t *value, _Inout_ uint32_t *length)";
    return koffi.load(null).func(prototype) as GetSockOpt;
  } catch {
    return undefined; // not installed, or not for this system: an optional dependency
  }
}

/** Longest text that `processName` gives, in characters. */
const MAX_NAME = 80;

/**
 * What a process was started as, for messages: program and first word, without the program's folder. Never more of the
 * command line, which may hold secrets. Undefined when the process is gone or a stranger to us.
 */
export async function processName(pid: number): Promise<string | undefined> {
  const line = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => ""); // gone, or hidden by hidepid
  const [program = "", first = ""] = line.split("\0");
  const words = [program.slice(program.lastIndexOf("/") + 1), first.startsWith("-") ? "" : first];
  const name = words.filter(Boolean).join(" ");
  // A process chooses these words itself; in a terminal they must stay text.
  return name === "" ? undefined : name.replaceAll(/\p{C}/gu, "?").slice(0, MAX_NAME);
}
