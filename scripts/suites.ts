import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

// Fetches what test/lab/suites.ts starts: programs of other Debian suites and architectures, each in
// a folder of its own, with everything below them down to the C library. Nothing is installed.

/** One folder of unpacked packages. */
interface Recipe {
  readonly suite: string;
  /** As Debian names it. */
  readonly architecture: string;
  /** With these comes all that they depend on, but for what {@link UNUSED} names. */
  readonly packages: readonly string[];
}

const CLIENTS = ["libpcsclite1", "opensc", "pcsc-tools", "python3"] as const;
const TREE = ["base-files", "dash"] as const;
const DAEMON = ["pcscd", "vsmartcard-vpcd"] as const;
/** Of suites whose pcscd is built with polkit. */
const DAEMON_WITH_POLKIT = ["pcscd", "polkitd", "vsmartcard-vpcd"] as const;

/** By the name under which tests ask for it. Each takes some 30 MB from the network, once, its index included, and 40 to 80 MB of disk. */
export const recipes = {
  bullseye: {
    suite: "bullseye",
    architecture: "amd64",
    packages: [...TREE, ...CLIENTS, ...DAEMON],
  },
  bookworm: { suite: "bookworm", architecture: "amd64", packages: [...CLIENTS, ...DAEMON] },
  /** A host with Debian 12's Node.js 18, and with nothing else of use. */
  node18: { suite: "bookworm", architecture: "amd64", packages: [...TREE, "nodejs"] },
  trixie: {
    suite: "trixie",
    architecture: "amd64",
    packages: [...TREE, ...CLIENTS, ...DAEMON_WITH_POLKIT],
  },
  sid: {
    suite: "sid",
    architecture: "amd64",
    packages: [...TREE, ...CLIENTS, ...DAEMON_WITH_POLKIT],
  },
  s390x: { suite: "bookworm", architecture: "s390x", packages: [...CLIENTS, ...DAEMON] },
  armhf: { suite: "bookworm", architecture: "armhf", packages: [...CLIENTS, ...DAEMON] },
  i386: { suite: "bookworm", architecture: "i386", packages: [...CLIENTS, ...DAEMON] },
} as const satisfies Readonly<Record<string, Recipe>>;

export type SuiteName = keyof typeof recipes;

/** Depended on, but not by the programs that the tests start; two thirds of all bytes. */
const UNUSED =
  "adduser|debconf|dpkg|init-system-helpers|libdb5.*|libgdbm.*|libintl-perl|libpam.*|libpcsc-perl|" +
  "libperl.*|libsystemd-shared|login.*|mawk|openssl-provider-legacy|passwd|perl.*|sed|" +
  "sgml-base|systemd.*|tar|ucf|wget|xml-core";

/**
 * Where the folders are, and stay from one run to the next; it may be deleted whenever no test runs.
 * `CARDWIRE_TEST_CACHE` names another place.
 */
export function suitesFolder(): string {
  const { CARDWIRE_TEST_CACHE: chosen, XDG_CACHE_HOME: cache } = process.env;
  return chosen ?? join(cache || join(homedir(), ".cache"), "cardwire-tests");
}

/**
 * The names in `suite("…")` and `foreign("…")` of the test files that `npm test -- FILTER…` selects.
 */
function named(filters: readonly string[]): readonly SuiteName[] {
  const words = filters.filter((word) => !word.startsWith("-"));
  const texts = readdirSync("test", { recursive: true, encoding: "utf8" })
    .map((path) => join("test", path))
    .filter((path) => path.endsWith(".test.ts"))
    .filter((path) => words.length === 0 || words.some((word) => path.includes(word)))
    .map((path) => readFileSync(path, "utf8"));
  const found = texts.flatMap((text) => [...text.matchAll(/\b(?:suite|foreign)\("(\w+)"\)/g)]);
  const names = new Set(found.map(([, name]) => name));
  return (Object.keys(recipes) as SuiteName[]).filter((name) => names.has(name));
}

/** Debian's own, by which Debian makes systems of other suites; on an Ubuntu, too. */
const DEBOOTSTRAP = "/usr/sbin/debootstrap";

/**
 * The address of a Debian mirror: what `CARDWIRE_DEBIAN_MIRROR` says, that of this computer's own packages if it is a
 * Debian, or else the one that debootstrap takes. Undefined when there is none of them.
 */
export function debianMirror(): string | undefined {
  const { CARDWIRE_DEBIAN_MIRROR: chosen } = process.env;
  if (chosen) return chosen;
  const format = "$(LABEL) $(COMPONENT) $(RELEASE) $(REPO_URI)";
  const { stdout } = spawnSync("apt-get", ["indextargets", "--format", format], {
    encoding: "utf8",
  });
  const [, own] = /^Debian main [a-z]+ (\S+)$/m.exec(stdout ?? "") ?? [];
  if (own !== undefined) return own;
  const script = existsSync(DEBOOTSTRAP) ? readFileSync(DEBOOTSTRAP, "utf8") : "";
  return /^DEF_MIRROR="(\S+\/debian\/?)"$/m.exec(script)?.[1];
}

/**
 * Arguments: the folder to make, suite, architecture, mirror, what to leave out, packages. Under
 * the folder's lock, because two test runs may start together. apt resolves the dependencies, as if
 * nothing were installed, and checks signatures and sums, all with lists and settings of its own.
 * The folder appears in one step, and so says itself that it is whole.
 */
const FETCH = `
set -eu
target=$1 suite=$2 architecture=$3 mirror=$4 unused=$5
shift 5
[ ! -d "$target" ] || exit 0
new=$target.new
rm -rf "$new"
trap 'rm -rf "$new"' EXIT
trap 'exit 1' HUP INT TERM
mkdir -p "$new/apt/lists/partial" "$new/apt/debs" "$new/apt/parts" "$new/root/usr"
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
echo "deb [signed-by=$keyring] $mirror $suite main" >"$new/apt/sources"
: >"$new/apt/status"
cat >"$new/apt/conf" <<END
Dir::Etc::sourcelist "$new/apt/sources";
Dir::Etc::sourceparts "$new/apt/parts";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "$new/apt/parts";
Dir::State "$new/apt";
Dir::State::lists "$new/apt/lists";
Dir::State::status "$new/apt/status";
Dir::Cache "$new/apt";
APT::Architecture "$architecture";
APT::Architectures { "$architecture"; };
APT::Sandbox::User "";
APT::Install-Recommends "false";
APT::Default-Release "";
Acquire::Languages "none";
Acquire::Retries "3";
Debug::NoLocking "true";
END
export APT_CONFIG="$new/apt/conf"
# Languages and other extras are of no use here.
apt-get -qq update -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false >&2
wanted=$(apt-get -qq -y install --print-uris "$@" | sed -n "s/^'[^']*' \\([^_]*\\)_.*/\\1/p" |
  grep -vxE "$unused")
(cd "$new/apt/debs" && apt-get -qq download $wanted >&2)
# Files of /lib and /usr/lib meet in one place, as on an installed Debian.
for folder in bin sbin lib lib64; do
  mkdir -p "$new/root/usr/$folder"
  ln -s "usr/$folder" "$new/root/$folder"
done
for deb in "$new"/apt/debs/*.deb; do
  dpkg-deb --fsys-tarfile "$deb" |
    tar -xf - -C "$new/root" --keep-directory-symlink --no-same-owner --exclude './usr/share/doc*' \\
      --exclude './usr/share/locale' --exclude './usr/share/man'
done
find "$new/root" -perm /6000 -exec chmod ug-s {} +
mkdir -p "$new/root/proc" "$new/root/dev" "$new/root/run" "$new/root/tmp" "$new/root/etc"
mv "$new/root" "$target"
`;

/** The name of a suite's folder: another recipe makes another folder. */
export function suiteFolder(name: SuiteName): string {
  const recipe = JSON.stringify([recipes[name], UNUSED, FETCH]);
  return `${name}-${createHash("sha256").update(recipe).digest("hex").slice(0, 8)}`;
}

/**
 * Sees to it that the suites are here that the selected tests name. The first time takes the network,
 * outside the lab, which has none. One that cannot be fetched fails the tests that use it, no others.
 */
export function ensureSuites(filters: readonly string[]): void {
  const folder = suitesFolder();
  mkdirSync(folder, { recursive: true });
  for (const name of named(filters)) {
    const target = join(folder, suiteFolder(name));
    if (existsSync(target)) continue;
    console.log(`fetching packages of ${name} into ${target}`);
    try {
      fetch(name, target);
    } catch (error) {
      console.error(error instanceof Error ? error.message : error);
    }
  }
}

/** @throws {Error} when it cannot be fetched; apt has said why. */
function fetch(name: SuiteName, target: string): void {
  const { suite, architecture, packages } = recipes[name];
  const mirror = debianMirror();
  if (mirror === undefined)
    throw new Error(
      "the tests need programs of several Debian suites, and no Debian mirror is known here; " +
        "run: sudo apt-get update, or set CARDWIRE_DEBIAN_MIRROR to a mirror's address",
    );
  const words = [target, suite, architecture, mirror, UNUSED, ...packages];
  const argv = [`${target}.lock`, "/bin/sh", "-c", FETCH, "fetch", ...words];
  const { status } = spawnSync("flock", argv, { stdio: "inherit" });
  if (status !== 0) throw new Error(`the packages of ${name} could not be fetched`);
}
