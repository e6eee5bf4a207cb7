import { CardwireError } from "../../domain/errors.ts";
import { shellWord } from "../../domain/shell-word.ts";

export interface Attempt {
  readonly destination: string;
  /** The user's ssh with its own arguments, for a command to try by hand. */
  readonly ssh: readonly string[];
  /** Whether ssh could ask a person. */
  readonly canAsk: boolean;
}

interface Complaint {
  readonly code: string;
  /** Finds the line that says what happened. The first complaint of the table that finds one holds. */
  readonly line: RegExp;
  readonly hint: (attempt: Attempt, words: string) => string;
}

const byHand = ({ ssh, destination }: Attempt): string =>
  `${ssh.map(shellWord).join(" ")} ${destination} true`;

/** What is taken for a host without its colon, and may be one. */
const OWN_READERS: ReadonlySet<string> = new Set(["software", "demo"]);

/** In ssh's own words as of OpenSSH 7 to 10. What ssh says of others' words, such as a banner, it says before its own. */
const complaints: readonly Complaint[] = [
  {
    code: "E_SSH_HOST_KEY",
    line: /^(.*host key for .* has changed.*|no .* host key is known for .*|host key verification failed.*)$/i,
    hint: hostKeyHint,
  },
  {
    code: "E_DISK_FULL",
    line: /^(.*no space left on device|.*disk quota exceeded)$/i,
    hint: () => "Free some space on this computer: df -h and df -i show what is short.",
  },
  {
    code: "E_SSH_HOST",
    line: /^(.*could not resolve hostname.*|.*hostname contains invalid characters.*)$/i,
    hint: ({ destination }) =>
      OWN_READERS.has(destination)
        ? `Readers of cardwire itself are written with a colon: ${destination}:`
        : "Check the name's spelling, the network and ~/.ssh/config.",
  },
  {
    code: "E_SSH_AUTH",
    line: /^(.*permission denied \(.*|.*too many authentication failures.*|.*no more authentication methods.*)$/i,
    hint: (attempt) =>
      attempt.canAsk
        ? `Try it by hand: ${byHand(attempt)}`
        : `Nobody could be asked here: load the key with ssh-add, so that this works without a question: ${byHand(attempt)}`,
  },
  {
    code: "E_SSH_UNREACHABLE",
    line: /^(.*connect to (host|address) .*|connection (refused|timed out|closed|reset).*|connection to .* (timed out|closed).*|.*banner exchange.*|kex_exchange_identification: .*|ssh_exchange_identification: .*|.*no route to host.*|.*network is unreachable.*|timeout, server .*|client_loop: .*)$/i,
    hint: (attempt) =>
      `Is that computer on, in reach, and its sshd at this port? Try it by hand: ${byHand(attempt)}`,
  },
  {
    code: "E_SSH_CONFIG",
    line: /^(.*bad configuration option.*|.*terminating, \d+ bad.*|can't open user config file.*|unknown option.*|illegal option.*|.*bad owner or permissions on .*|.* line \d+: (?!deprecated|unsupported).*|usage: .*)$/i,
    hint: ({ ssh }) =>
      `Mend ~/.ssh/config, or what was given as the ssh command: ${ssh.map(shellWord).join(" ")}`,
  },
];

/**
 * Says why ssh ended, from what it wrote to its log and to standard error.
 *
 * The message carries ssh's own decisive line.
 */
export function explainComplaint(words: string, attempt: Attempt): CardwireError {
  const lines = words
    .split("\n")
    .map((line) => line.replaceAll(/\p{C}/gu, "").trim())
    // `ssh -v` tells more: a try at one address of several that failed, for example, is no complaint.
    .filter((line) => line !== "" && !/^(@|debug\d: )/.test(line));
  for (const { code, line, hint } of complaints) {
    const decisive = lines.find((text) => line.test(text));
    if (decisive === undefined) continue;
    return new CardwireError(code, about(attempt, decisive), {
      hint: hint(attempt, lines.join("\n")),
    });
  }
  const last = lines.at(-1) ?? "it ended without a word";
  return new CardwireError("E_SSH", about(attempt, last), {
    hint: `Try it by hand: ${byHand(attempt)}`,
  });
}

function about({ destination }: Attempt, line: string): string {
  return `ssh to ${destination}: ${line.replace(/^ssh: /, "").replace(/\.$/, "")}`;
}

/** Debian's ssh writes the very command that removes the old key; others only name the host. */
function hostKeyHint(attempt: Attempt, words: string): string {
  const given = /^\s*(ssh-keygen -f .* -R .*?)\s*$/m.exec(words)?.[1];
  const host = /host key for (\S+) has changed/i.exec(words)?.[1];
  const command = given ?? (host && `ssh-keygen -R "${host}"`);
  return command === undefined
    ? `Connect once by hand and compare the fingerprint it shows: ${byHand(attempt)}`
    : `If that computer was installed anew, forget its old key: ${command}; if not, somebody may be listening in.`;
}
