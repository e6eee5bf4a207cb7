import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { debianMirror } from "./suites.ts";

/** Something the tests need on this computer, and the Debian and Ubuntu package that brings it. */
interface Need {
  readonly what: string;
  readonly package: string;
  readonly present: () => boolean;
}

/** Where programs for administrators live, which an ordinary user's PATH often leaves out. */
export const PROGRAM_PATH = `${process.env["PATH"] ?? ""}:/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin`;

const succeeds = (command: string, args: readonly string[]): boolean =>
  spawnSync(command, args, { stdio: "ignore", env: { ...process.env, PATH: PROGRAM_PATH } })
    .status === 0;

const program = (what: string, from: string): Need => ({
  what,
  package: from,
  present: () => PROGRAM_PATH.split(":").some((folder) => existsSync(`${folder}/${what}`)),
});

const isUbuntu = (): boolean => /^ID=ubuntu$/m.test(readFileSync("/etc/os-release", "utf8"));

const header = (path: string) => () => existsSync(`/usr/include/${path}`);

const needs: readonly Need[] = [
  program("pcscd", "pcscd"),
  {
    what: "the vpcd driver",
    package: "vsmartcard-vpcd",
    present: () => existsSync("/usr/lib/pcsc/drivers/serial/libifdvpcd.so"),
  },
  {
    what: "libpcsclite.so.1",
    package: "libpcsclite1",
    present: () => succeeds("sh", ["-c", "ldconfig -p | grep -q 'libpcsclite[.]so[.]1 '"]),
  },
  program("pcsc_scan", "pcsc-tools"),
  program("opensc-tool", "opensc"),
  program("pkcs11-tool", "opensc"),
  program("sshd", "openssh-server"),
  program("ssh", "openssh-client"),
  program("yubico-piv-tool", "yubico-piv-tool"),
  program("openssl", "openssl"),
  {
    what: "opensc-pkcs11.so",
    package: "opensc-pkcs11",
    present: () => succeeds("sh", ["-c", "dpkg -L opensc-pkcs11"]),
  },
  program("gpg", "gnupg"),
  { what: "scdaemon", package: "scdaemon", present: () => existsSync("/usr/lib/gnupg/scdaemon") },
  program("dbus-daemon", "dbus-daemon"),
  { what: "polkitd", package: "polkitd", present: () => existsSync("/usr/lib/polkit-1/polkitd") },
  { what: "systemd", package: "systemd", present: () => existsSync("/lib/systemd/systemd") },
  program("systemctl", "systemd"),
  program("ip", "iproute2"),
  program("unshare", "util-linux"),
  program("nsenter", "util-linux"),
  program("setpriv", "util-linux"),
  program("runuser", "util-linux"),
  {
    what: "python3 with pyscard",
    package: "python3-pyscard",
    present: () => succeeds("/usr/bin/python3", ["-c", "import smartcard"]),
  },
  {
    what: "python3 with PyKCS11",
    package: "python3-pykcs11",
    present: () => succeeds("/usr/bin/python3", ["-c", "import PyKCS11"]),
  },
  {
    what: "Perl with Chipcard::PCSC",
    package: "libpcsc-perl",
    present: () => succeeds("perl", ["-MChipcard::PCSC", "-e", "1"]),
  },
  program("scriptor", "pcsc-tools"),
  program("modutil", "libnss3-tools"),
  program("p11tool", "gnutls-bin"),
  // Ubuntu has it as a snap only, which does not run in namespaces; its test is skipped there, and counted as such.
  ...(isUbuntu() ? [] : [program("chromium", "chromium")]),
  program("Xvfb", "xvfb"),
  program("xdotool", "xdotool"),
  program("p11-kit", "p11-kit"),
  program("ykman", "yubikey-manager"),
  program("javac", "default-jdk-headless"),
  program("java", "default-jdk-headless"),
  program("tmux", "tmux"),
  program("qemu-s390x-static", "qemu-user-static"),
  program("bwrap", "bubblewrap"),
  program("systemd-nspawn", "systemd-container"),
  program("podman", "podman"),
  program("newuidmap", "uidmap"),
  program("flatpak", "flatpak"),
  program("dbus-run-session", "dbus-daemon"),
  {
    what: "the keys of Debian's archive",
    package: "debian-archive-keyring",
    present: () => existsSync("/usr/share/keyrings/debian-archive-keyring.gpg"),
  },
  program("bash", "bash"),
  program("zsh", "zsh"),
  program("fish", "fish"),
  program("tcsh", "tcsh"),
  {
    what: "bash-completion",
    package: "bash-completion",
    present: () => existsSync("/usr/share/bash-completion/bash_completion"),
  },
  program("script", "bsdutils"),
  program("man", "man-db"),
  program("groff", "groff-base"),
  program("mandoc", "mandoc"),
  {
    what: "the address of a Debian mirror",
    package: "debootstrap",
    present: () => debianMirror() !== undefined || existsSync("/usr/sbin/debootstrap"),
  },
  program("cc", "gcc"),
  { what: "the C library's headers", package: "libc6-dev", present: header("stdio.h") },
  { what: "pcsc-lite's headers", package: "libpcsclite-dev", present: header("PCSC/winscard.h") },
];

const missing = (): readonly Need[] => needs.filter((need) => !need.present());

/**
 * Sees to it that every program the tests need is here, and installs what is missing as root, or
 * through a sudo that asks nothing.
 *
 * @throws {Error} when something is still missing; it names the packages and the command.
 */
export function ensurePackages(): void {
  const absent = missing();
  if (absent.length === 0) return;
  const packages = [...new Set(absent.map((need) => need.package))];
  const asRoot = process.getuid?.() === 0 ? [] : ["sudo", "-n"];
  if (asRoot.length === 0 || succeeds("sudo", ["-n", "true"])) {
    console.log(`installing ${packages.join(" ")}`);
    install(asRoot, packages);
  }
  const still = missing();
  if (still.length === 0) return;
  const names = [...new Set(still.map((need) => need.package))].join(" ");
  throw new Error(
    `the tests need ${still.map((need) => need.what).join(", ")}; ` +
      `run: sudo apt-get install --no-install-recommends ${names}`,
  );
}

function install(asRoot: readonly string[], packages: readonly string[]): void {
  // Two test runs may start together: the second waits for the first one's lock.
  const apt = (...args: readonly string[]): void => {
    const [command = "env", ...rest] = [
      ...asRoot,
      "env",
      `PATH=${PROGRAM_PATH}`,
      ..."DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300".split(" "),
      ...args,
    ];
    spawnSync(command, rest, { stdio: "inherit" });
  };
  apt("update");
  apt("install", "-y", "--no-install-recommends", ...packages);
}
