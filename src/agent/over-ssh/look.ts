import { shellWord } from "../../domain/shell-word.ts";
import { LOADER } from "../loader.ts";

/** What can run an agent over there. */
export interface Findings {
  /** An installed cardwire, and its version. */
  readonly cardwire: { readonly path: string; readonly version: string } | undefined;
  /** The Node.js that is there, of whatever age. */
  readonly node: { readonly path: string; readonly version: string } | undefined;
}

/** The oldest Node.js that runs what we send: what Debian 12 and Ubuntu 24.04 have. */
export const OLDEST_NODE = 18;

const MARK = "cardwire-look: ";

/** What the script takes once it has told all: what to run in its place. */
export const run = {
  cardwire: "cardwire\n",
  /** @param bytes how many of the single file follow. @param hash their SHA-256. */
  node: (bytes: number, hash: string): string => `node ${bytes} ${hash}\n`,
};

/**
 * A script for any POSIX sh that says what could run an agent there, and then becomes what it is told to. Programs are
 * looked for where a login shell looks, since a session without a terminal often has less of a PATH.
 *
 * It is one compound command: a shell that reads its script in pieces has read it whole before it begins, so that what
 * is sent afterwards is left for the program.
 *
 * @param remoteNode the Node.js to use there, if somebody chose one.
 */
export const lookScript = (remoteNode: string | undefined): string => `{
limit=
command -v timeout >/dev/null 2>&1 && limit="timeout 5"
newline='
'
say() { printf '\\n%s%s\\n' ${shellWord(MARK)} "$*"; }
version() {
  told=$($limit "$1" --version 2>/dev/null </dev/null)
  echo "\${told%%"$newline"*}"
}
told=$newline$($limit "\${SHELL:-sh}" -lc 'printf "\\n%s%s\\n" "cardwire-path:" "$PATH"' </dev/null 2>/dev/null)
case $told in *"$newline"cardwire-path:*)
  told=\${told##*"$newline"cardwire-path:}
  PATH=\${told%%"$newline"*}:$PATH
  export PATH
esac
cardwire=$(command -v cardwire 2>/dev/null)
[ -n "$cardwire" ] && say "cardwire $(version "$cardwire") $cardwire"
node=${remoteNode === undefined ? "$(command -v node 2>/dev/null || command -v nodejs 2>/dev/null)" : shellWord(remoteNode)}
[ -n "$node" ] && say "node $(version "$node") $node"
say end
IFS=' ' read -r what bytes hash
case $what in
cardwire) exec "$cardwire" agent ;;
node) exec "$node" -e ${shellWord(LOADER)} "$bytes" "$hash" agent ;;
esac
exit
}
`;

/** Whether a line is the script's, and not a login shell's greeting. */
export const isFound = (line: string): boolean => line.startsWith(MARK);

/** Whether a line is the script's last before it waits. */
export const isEnd = (line: string): boolean => line === `${MARK}end`;

/** @param lines of the script; others among them are passed over. */
export function parseFindings(lines: readonly string[]): Findings {
  const found = new Map<string, { path: string; version: string }>();
  for (const line of lines) {
    const [, kind, version, path] =
      /^cardwire-look: (cardwire|node) (\S*) (\/.*)$/.exec(line) ?? [];
    if (kind !== undefined && version && path) found.set(kind, { path, version });
  }
  return { cardwire: found.get("cardwire"), node: found.get("node") };
}

/** The major number of `v18.19.0`; 0 when it has none. */
export const majorOf = (version: string): number => Number(/^v?(\d+)\./.exec(version)?.[1] ?? 0);
