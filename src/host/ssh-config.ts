/** What completion wants of an ssh_config(5) file. */
export interface SshConfig {
  /** Names behind `Host` without wildcards. */
  readonly hosts: readonly string[];
  /** What is to be included, as it stands there: patterns for paths, perhaps relative or beginning with `~`. */
  readonly includes: readonly string[];
  /** Other files of known hosts, as they stand there. */
  readonly knownHosts: readonly string[];
}

/** Reads the text of an ssh_config(5). Whatever it does not know is passed over. */
export function parseSshConfig(text: string): SshConfig {
  const found = { hosts: [] as string[], includes: [] as string[], knownHosts: [] as string[] };
  const places: Readonly<Record<string, string[]>> = {
    host: found.hosts,
    include: found.includes,
    userknownhostsfile: found.knownHosts,
    globalknownhostsfile: found.knownHosts,
  };
  for (const line of text.split("\n")) {
    // ssh_config(5): keyword and arguments are parted by blanks, or by blanks and one '='.
    const [, keyword = "", rest = ""] = /^\s*([A-Za-z]+)(?:\s*=\s*|\s+)(.*)$/.exec(line) ?? [];
    places[keyword.toLowerCase()]?.push(...words(rest));
  }
  return { ...found, hosts: found.hosts.filter(isPlain) };
}

/** A name, not a pattern. */
const isPlain = (host: string): boolean => host !== "" && !/[*?!\s]/.test(host);

function words(text: string): readonly string[] {
  const found: string[] = [];
  for (const [word, quoted] of text.matchAll(/"([^"]*)"|\S+/g)) {
    if (word.startsWith("#")) break; // the rest is a comment
    found.push(quoted ?? word);
  }
  return found;
}

/**
 * The hosts of a known_hosts file (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT) as WHERE wants them: `[host]:port` becomes
 * `ssh://host:port`. Hashed names, patterns and revoked keys are passed over.
 */
export function parseKnownHosts(text: string): readonly string[] {
  return text.split("\n").flatMap((line) => {
    const [first = "", second = ""] = line.trim().split(/\s+/, 2);
    if (first.startsWith("#") || first === "@revoked" || first === "@cert-authority") return [];
    const names = (first.startsWith("@") ? second : first).split(",");
    return names.filter((name) => isPlain(name) && !name.startsWith("|")).map(whereOf);
  });
}

function whereOf(name: string): string {
  const [, host, port] = /^\[(.+)\]:(\d+)$/.exec(name) ?? [];
  if (host === undefined) return name;
  return port === "22" ? host : `ssh://${host}:${port}`;
}
