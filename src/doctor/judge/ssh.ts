import type { CardwireError } from "../../domain/errors.ts";
import type { CheckName } from "../checks.ts";
import { type Finding, finding } from "../finding.ts";

/** What is known of the way to a card host. */
export interface SshFacts {
  readonly destination: string;
  /** The ssh program and its first arguments. */
  readonly command: readonly string[];
  /** What `ssh -V` says. */
  readonly client: string | undefined;
  /** Why there is no connection; `silent` when it took too long. */
  readonly failure?: CardwireError | "silent";
  /** How long the login took, ms. */
  readonly tookMs?: number | undefined;
  /** What the server calls itself in its banner (RFC 4253, 4.2). */
  readonly server?: string | undefined;
}

/** OpenSSH forwards Unix sockets from this release on (October 2014). */
const OLDEST = { major: 6, minor: 7 };

export function judgeSsh(facts: SshFacts): readonly Finding[] {
  const { failure } = facts;
  if (failure !== undefined && failure !== "silent" && failure.code === "E_NO_SSH")
    return [finding("ssh-missing", "fault", failure.message, failure.hint)];
  return [
    ...judgeClient(facts),
    ...(failure === undefined ? connected(facts) : [failed(facts, failure)]),
    ...(failure === undefined ? judgeServer(facts) : []),
  ];
}

function judgeClient({ client, command }: SshFacts): readonly Finding[] {
  const release = releaseOf(client);
  if (release === undefined) {
    const says = client === undefined ? "does not tell its version" : `calls itself ${client}`;
    return [finding("ssh-client-unknown", "note", `${command.join(" ")} ${says}`)];
  }
  const what = `ssh here is OpenSSH ${release.text}`;
  if (!isOld(release)) return [finding("ssh-client", "good", what)];
  const remedy = [
    "sudo apt install openssh-client   # or name a newer one: --ssh /path/to/ssh, CARDWIRE_SSH",
  ];
  return [finding("ssh-client-old", "fault", `${what}; 6.7 is the oldest that serves`, remedy)];
}

function judgeServer({ server, destination }: SshFacts): readonly Finding[] {
  if (server === undefined) return [];
  const release = releaseOf(server);
  if (release === undefined)
    return [finding("sshd-not-openssh", "note", `${destination} runs ${server}, not OpenSSH`)];
  const what = `sshd on ${destination} is OpenSSH ${release.text}`;
  if (!isOld(release)) return [finding("sshd-version", "good", what)];
  const remedy = [`# on ${destination}:`, "sudo apt install openssh-server"];
  return [finding("sshd-old", "fault", `${what}; 6.7 is the oldest that serves`, remedy)];
}

function connected({ destination, tookMs = 0 }: SshFacts): readonly Finding[] {
  return [
    finding(
      "ssh-connects",
      "good",
      `logged in at ${destination} in ${(tookMs / 1_000).toFixed(1)} s`,
    ),
  ];
}

const names: Readonly<Record<string, CheckName>> = {
  E_SSH_HOST: "ssh-host-unknown",
  E_SSH_UNREACHABLE: "ssh-unreachable",
  E_SSH_AUTH: "ssh-login-refused",
  E_SSH_HOST_KEY: "ssh-host-key",
  E_SSH_CONFIG: "ssh-config",
};

function failed(
  { destination, command }: SshFacts,
  failure: NonNullable<SshFacts["failure"]>,
): Finding {
  if (failure === "silent") {
    const remedy = `${command.join(" ")} -v ${destination} true   # shows where it stands still`;
    return finding("ssh-silent", "fault", `ssh to ${destination} does not come to an end`, remedy);
  }
  return {
    check: names[failure.code] ?? "ssh-failed",
    level: "fault",
    what: failure.message,
    ...(failure.hint !== undefined && { remedy: failure.hint }),
  };
}

interface Release {
  readonly major: number;
  readonly minor: number;
  readonly text: string;
}

function releaseOf(text: string | undefined): Release | undefined {
  const [, name, major, minor] = /OpenSSH_((\d+)\.(\d+)\w*)/.exec(text ?? "") ?? [];
  if (name === undefined) return undefined;
  return { major: Number(major), minor: Number(minor), text: name };
}

const isOld = ({ major, minor }: Release): boolean =>
  major < OLDEST.major || (major === OLDEST.major && minor < OLDEST.minor);
