import { CardwireError } from "../../domain/errors.ts";
import type { Look, Problem } from "./remote-socket-script.ts";

// Why a socket cannot be made on another computer, as errors that say what to do.

const explanations: Readonly<
  Record<
    string,
    (about: string, host: string) => readonly [code: string, what: string, hint: string]
  >
> = {
  missing: (about, host) => [
    "E_SOCKET_PATH",
    `there is no directory ${about} on ${host}`,
    `Make it there first: mkdir -p -m 700 '${about}'`,
  ],
  denied: (about, host) => [
    "E_SOCKET_DENIED",
    `no right to make a socket in ${about} on ${host}`,
    "Choose a place in a directory of that user's with --socket, or leave --socket out.",
  ],
  directory: (about, host) => [
    "E_RUNTIME_DIR",
    `${about} on ${host} cannot be made, or is not a directory`,
    "Remove what is in the way there, or choose a place with --socket.",
  ],
  foreign: (about, host) => [
    "E_RUNTIME_DIR",
    `${about} on ${host} belongs to somebody else`,
    "Have it removed there, or choose a place with --socket.",
  ],
  open: (about, host) => [
    "E_RUNTIME_DIR",
    `${about} on ${host} is open to others`,
    `Close it there: chmod 700 '${about}'`,
  ],
  group: (about, host) => [
    "E_GROUP",
    `the group ${about} is not there on ${host}, or that user is not in it`,
    "'id' there shows the user's groups; an administrator adds one: sudo usermod -aG GROUP USER",
  ],
  full: (about, host) => [
    "E_DISK_FULL",
    `no space left in ${about} on ${host}`,
    `Free some space there: df -h '${about}' and df -i '${about}' show what is short.`,
  ],
  taken: (about, host) => [
    "E_SOCKET_IN_USE",
    `somebody made ${about} on ${host} at the same moment`,
    "Try again, or choose another --name or --socket.",
  ],
  lost: (about, host) => [
    "E_SSH_FORWARDING",
    `sshd on ${host} said that it listens at ${about}, and does not`,
    "Is that account in a chroot (ChrootDirectory)? Then sshd's files are not the shell's; choose a place that both see with --socket.",
  ],
};

/** What the script could not do over there. */
export function explainProblem(host: string, { problem, about }: Problem): CardwireError {
  const [code, what, hint] = explanations[problem]?.(about, host) ?? [
    "E_SSH",
    `the shell on ${host} stopped for an unknown reason`,
    "Is its disk full, or its sh unusual? Try again with -v.",
  ];
  return new CardwireError(code, what, { hint });
}

export const notASocket = (host: string, { path }: Look): CardwireError =>
  new CardwireError("E_SOCKET_PATH", `${path} on ${host} is there already and is not a socket`, {
    hint: "Remove it there yourself if it is not needed, or choose another --socket.",
  });

/** Somebody's socket that lives, or that is not ours to judge. */
export function inUse(host: string, { path, owner, fileOwner }: Look): CardwireError {
  const who =
    owner === undefined ? `by a program of ${fileOwner ?? "another user"}` : ownerText(owner);
  return new CardwireError("E_SOCKET_IN_USE", `${path} on ${host} is in use ${who}`, {
    hint: "End that one first, or choose another --name or --socket.",
  });
}

/** The owner's file holds JSON that a cardwire wrote; whoever can write there could have written something else. */
function ownerText(line: string): string {
  try {
    const { from, pid, startedAt } = JSON.parse(line) as Readonly<Record<string, unknown>>;
    if (typeof from === "string" && typeof pid === "number" && typeof startedAt === "string")
      return `by 'cardwire share' of ${from} (process ${pid} there, since ${startedAt})`.replaceAll(
        /\p{C}/gu,
        "?",
      );
  } catch {
    // not JSON: whose it is cannot be told
  }
  return "by a 'cardwire share'";
}

export const listeningForbidden = (host: string, cause: unknown): CardwireError =>
  new CardwireError("E_SSH_FORWARDING", `sshd on ${host} forbids sockets that lead back here`, {
    cause,
    hint: "In its /etc/ssh/sshd_config set 'AllowStreamLocalForwarding yes' (or 'remote') and no 'DisableForwarding yes' (Match blocks too), then 'sudo systemctl reload ssh'; in ~/.ssh/authorized_keys there, add 'port-forwarding' after 'restrict', or remove 'no-port-forwarding'.",
  });

export const noShellForRights = (host: string): CardwireError =>
  new CardwireError(
    "E_NO_SHELL",
    `the account on ${host} has no shell to set --mode and --group with`,
    {
      hint: "Leave them out (the socket is that user's alone then), or use an account with a shell that starts within 15 s.",
    },
  );

export const leftoverWithoutShell = (host: string, path: string, cause: unknown): CardwireError =>
  new CardwireError("E_SOCKET_IN_USE", `sshd on ${host} cannot listen at ${path}`, {
    cause,
    hint: "Something is left there, and without a shell it cannot be removed: leave --socket out for a fresh name, or set 'StreamLocalBindUnlink yes' in sshd's configuration there.",
  });
