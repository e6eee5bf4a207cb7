import { type Finding, finding } from "../finding.ts";

export interface NodeFacts {
  /** Such as `20.19.0`. */
  readonly version: string;
  /** Whether the optional package koffi can be loaded. */
  readonly koffi: boolean;
}

/** The oldest Node.js that package.json admits. */
const OLDEST = { major: 20, minor: 19 };

export function judgeNode({ version, koffi }: NodeFacts): readonly Finding[] {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const old = major < OLDEST.major || (major === OLDEST.major && minor < OLDEST.minor);
  const what = `Node.js is ${version}`;
  return [
    old
      ? finding(
          "node-old",
          "fault",
          `${what}; cardwire needs ${OLDEST.major}.${OLDEST.minor} or later`,
          "sudo apt install nodejs   # or from https://nodejs.org, where the system's is older",
        )
      : finding("node", "good", what),
    ...(koffi
      ? []
      : [
          finding(
            "koffi-missing",
            "note",
            "koffi is not installed: cardwire cannot tell which user a program belongs to",
            "npm install -g koffi   # in the place where cardwire is installed",
          ),
        ]),
  ];
}
