import { type Finding, finding } from "../finding.ts";

/** A libpcsclite, as its file tells it. */
export interface LibraryFacts {
  readonly path: string;
  /** The release, from the package manager's records; undefined where there are none. */
  readonly version: string | undefined;
  readonly knowsVariable: boolean;
  /** Whether it asks for the variable with secure_getenv(3), as pcsc-lite 2.0 and later do. */
  readonly secure: boolean;
  /** The slots that it has room for; 0 where it takes as many as there are. */
  readonly slots: number;
  /** The path of pcscd's socket that is compiled in. */
  readonly socket: string | undefined;
  /** Whether a program brings it, and not the system. */
  readonly bundled: boolean;
}

export interface LibrariesCase {
  /** What was searched, in words: `this computer`, or a directory. */
  readonly place: string;
  /** Whether `place` is the root of another system than ours. */
  readonly foreign: boolean;
  readonly libraries: readonly LibraryFacts[];
}

export function judgeLibraries({ place, foreign, libraries }: LibrariesCase): readonly Finding[] {
  if (libraries.every(({ bundled }) => bundled)) {
    const what = `no libpcsclite was found ${foreign ? "in" : "on"} ${place}: PC/SC programs there need it`;
    const missing = finding("library-missing", "note", what, "sudo apt install libpcsclite1");
    return [missing, ...libraries.flatMap((one) => judgeLibrary(one, { foreign }))];
  }
  return libraries.flatMap((one) => judgeLibrary(one, { foreign }));
}

function judgeLibrary(
  library: LibraryFacts,
  { foreign }: { foreign: boolean },
): readonly Finding[] {
  const { path, version, knowsVariable, slots, socket, bundled } = library;
  const protocol = version === undefined ? undefined : protocolOf(version);
  const release =
    version === undefined ? "a libpcsclite of unknown release" : `libpcsclite ${version}`;
  const speaks = protocol === undefined ? "" : `, protocol ${protocol}`;
  const what = `${path} is ${release}${speaks}`;
  const problems = [
    ...(version !== undefined && protocol === undefined
      ? [
          finding(
            "library-old",
            "fault",
            `${what}, too old: 1.6.5 is the oldest that serves`,
            "sudo apt install --only-upgrade libpcsclite1",
          ),
        ]
      : []),
    ...(knowsVariable ? [] : [ignores(library, { foreign })]),
    ...(slots === 48
      ? [
          finding(
            "library-slots",
            "warning",
            `${what}, and expects 48 reader slots; programs with it that an attachment may not look at fail without this option`,
            "cardwire attach HOST --slots 48",
          ),
        ]
      : []),
  ];
  if (bundled) {
    const where = `a copy beside the system's, which stays as old as it is`;
    return [...problems, finding("library-bundled", "note", `${what}: ${where}`)];
  }
  const at = foreign && socket !== undefined ? `; without the variable it uses ${socket}` : "";
  return problems.length > 0 ? problems : [finding("library", "good", `${what}${at}`)];
}

function ignores({ path, socket }: LibraryFacts, { foreign }: { foreign: boolean }): Finding {
  const place = socket ?? "/run/pcscd/pcscd.comm";
  const remedy = foreign
    ? `# give the sandbox the attachment's socket at the place that the library looks at: ${place}`
    : `sudo cardwire attach HOST --mode 0666 --socket ${place}   # where no pcscd has that place`;
  const what = `${path} does not know PCSCLITE_CSOCK_NAME`;
  return finding("library-ignores-variable", "warning", what, remedy);
}

/** Which protocol the releases speak, the first release of each. */
const releases: readonly (readonly [release: string, protocol: string])[] = [
  ["2.5.0", "4:6"],
  ["2.3.0", "4:5"],
  ["1.8.24", "4:4"],
  ["1.8.9", "4:3"],
  ["1.6.5", "4:2"],
];

/** Undefined for releases before 1.6.5. */
function protocolOf(version: string): string | undefined {
  return releases.find(([release]) => compare(version, release) >= 0)?.[1];
}

function compare(a: string, b: string): number {
  const [left, right] = [a, b].map((text) => text.split(/[.~+-]/).map(Number));
  for (let at = 0; at < 3; at += 1) {
    const difference = (left?.[at] || 0) - (right?.[at] || 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
