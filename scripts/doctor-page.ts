import { groups } from "../src/doctor/check.ts";
import { checks } from "../src/doctor/checks.ts";
import { NOTE, page, table } from "./markdown.ts";

/** docs/doctor.md: how to read what `cardwire doctor` says, and all it can say. */
export function doctorPage(): string {
  const sections = Object.entries(groups).flatMap(([group, title]) => {
    const rows = Object.entries(checks)
      .filter(([, check]) => check.group === group)
      .map(([name, { levels, means }]) => [`\`${name}\``, levels.join(", "), means]);
    return [`### ${title}`, table(["check", "level", "what it means"], rows)];
  });
  return page(
    "# What is in the way",
    NOTE,
    "`cardwire doctor cardhost` looks at the way to a card host, at what is there, and at this computer; the card host is reached by ssh, or as it was joined ([serve.md](serve.md)). `cardwire doctor` alone at this computer, as card host and client host in one. It says what it found, a line each, and below whatever is wrong the commands or configuration lines that mend it.",
    "    $ cardwire doctor cardhost\n    $ cardwire doctor cardwire://cardhost\n    $ cardwire doctor\n    $ cardwire doctor unix:/run/pcscd/pcscd.comm\n    $ cardwire doctor cardhost --json",
    table(
      ["level", "mark", "meaning"],
      [
        ["good", "ok", "As it should be."],
        ["note", "note", "Worth knowing; also a check that could not be done, and why."],
        ["warning", "warning", "It works, but not for everybody, or not for long."],
        ["fault", "FAULT", "Programs get no cards because of it. The exit status is 1."],
      ],
    ),
    [
      "- It uses your own ssh, one connection, and the same options as `attach` (`--ssh`, `CARDWIRE_SSH`). It takes a few seconds, and ends by itself whatever stands still.",
      "- A card host that was joined is connected to at each of its addresses, and one link is opened, as its record shows. It cannot be looked into from here: `cardwire doctor` over there, as the user of serve, tells the rest.",
      "- It changes nothing. What sshd allows is tried, not read: a forward to pcscd's socket, and one from a socket over there, in a private directory that is removed at the end. A pcscd that systemd starts when it is needed is started by being asked.",
      "- `# on cardhost:` before a remedy: to be done over there.",
      "- `--program PATH` tells whether a program follows `PCSCLITE_CSOCK_NAME`: those that run with other rights than yours do not. `--root PATH` looks for libpcsclite in another system's root too, such as a container's or a Flatpak runtime's.",
      "- `-v` adds to each line its name and what it means. `--json` prints one object a line: `check`, `level`, `what`, and `remedy` where there is one. Names and fields never change their meaning; the words for people may.",
    ].join("\n"),
    "## All it can say",
    ...sections,
  );
}
