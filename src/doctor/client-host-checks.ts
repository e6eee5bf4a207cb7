import { type Check, check } from "./check.ts";

/** What can be said of this computer, and of the programs on it that want to use cards. */
export const clientHostChecks = {
  "runtime-directory": check(
    "sockets",
    ["fault"],
    "The directory of cardwire's sockets is open to others, not yours, or cannot be made.",
  ),
  attachment: check("sockets", ["good"], "This attachment runs and answers."),
  "attachment-silent": check("sockets", ["fault"], "This attachment runs and does not answer."),
  "attachment-dead": check(
    "sockets",
    ["warning"],
    "What an attachment left behind that was killed. Programs that are pointed there find nobody.",
  ),
  "attachment-duplicate": check(
    "sockets",
    ["warning"],
    "Several attachments lead to the same place.",
  ),
  "shared-socket": check(
    "sockets",
    ["good"],
    "A socket that `cardwire share` on another computer put here, and it answers.",
  ),
  "shared-socket-silent": check(
    "sockets",
    ["warning"],
    "A socket that `cardwire share` on another computer put here takes connections and does not answer: the line to that computer is dead.",
  ),
  "socket-stale": check(
    "sockets",
    ["warning"],
    "A socket file in the run-time directory at which nobody listens.",
  ),
  "directory-left": check(
    "sockets",
    ["note"],
    "A directory that a killed cardwire left behind. The next one removes it.",
  ),
  "sockets-unknown": check("sockets", ["note"], "The run-time directory could not be read."),

  variable: check(
    "environment",
    ["good"],
    "Programs started from here find an attachment or pcscd.",
  ),
  "variable-unset": check(
    "environment",
    ["warning"],
    "An attachment runs, and PCSCLITE_CSOCK_NAME is not set here: programs do not find it.",
  ),
  "local-pcscd-in-the-way": check(
    "environment",
    ["warning"],
    "The same, and a pcscd runs here too: programs see its readers only.",
  ),
  "variable-elsewhere": check(
    "environment",
    ["note"],
    "PCSCLITE_CSOCK_NAME leads to a socket that belongs to none of the attachments here.",
  ),
  "variable-missing-socket": check(
    "environment",
    ["fault"],
    "PCSCLITE_CSOCK_NAME leads to a file that does not exist.",
  ),
  "variable-not-a-socket": check(
    "environment",
    ["fault"],
    "PCSCLITE_CSOCK_NAME leads to something that is not a socket.",
  ),
  "variable-dead-socket": check(
    "environment",
    ["fault"],
    "PCSCLITE_CSOCK_NAME leads to a socket at which nobody listens.",
  ),
  "variable-denied": check(
    "environment",
    ["fault"],
    "PCSCLITE_CSOCK_NAME leads to a socket that this user may not use.",
  ),
  "variable-silent": check(
    "environment",
    ["fault"],
    "PCSCLITE_CSOCK_NAME leads to a socket whose owner does not answer as pcscd would.",
  ),
  "variable-too-long": check(
    "environment",
    ["fault"],
    "PCSCLITE_CSOCK_NAME is longer than the 107 bytes that a socket's path may have.",
  ),
  "variable-ignored": check(
    "environment",
    ["warning", "note"],
    "This program runs with other rights than its user's (set-user-ID, set-group-ID, file capabilities), and libpcsclite 2.0 and later ignores the variable then.",
  ),
  "program-follows": check(
    "environment",
    ["good"],
    "This program, given by --program, follows the variable.",
  ),
  "program-unknown": check(
    "environment",
    ["note"],
    "The program that was given by --program could not be looked at.",
  ),
  "session-environment": check(
    "environment",
    ["note"],
    "The variable is set in this shell, but not for programs that systemd or the desktop starts.",
  ),

  library: check("libraries", ["good"], "This libpcsclite works with cardwire."),
  "library-missing": check("libraries", ["note"], "No libpcsclite was found."),
  "library-old": check(
    "libraries",
    ["fault"],
    "This libpcsclite is older than 1.6.5, which speaks protocol 4:2, the oldest that cardwire serves.",
  ),
  "library-ignores-variable": check(
    "libraries",
    ["warning"],
    "This libpcsclite does not know PCSCLITE_CSOCK_NAME: it always uses the path compiled into it.",
  ),
  "library-slots": check(
    "libraries",
    ["warning"],
    "This libpcsclite expects 48 reader slots, as Fedora builds it.",
  ),
  "library-bundled": check(
    "libraries",
    ["note"],
    "A program brings its own copy of libpcsclite, or has it compiled in.",
  ),

  node: check("cardwire", ["good"], "Node.js is 20.19 or later."),
  "node-old": check("cardwire", ["fault"], "Node.js is older than 20.19, which cardwire needs."),
  "koffi-missing": check(
    "cardwire",
    ["note"],
    "The optional package koffi is missing: cardwire cannot tell which user a program belongs to.",
  ),
  "check-failed": check(
    "cardwire",
    ["note"],
    "A part of the examination could not be done in time, or failed.",
  ),
} as const satisfies Readonly<Record<string, Check>>;
