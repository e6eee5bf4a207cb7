import { type CommandView, viewCommand } from "./command-view.ts";
import { Level } from "./need.ts";

/** PC/SC part 10, 2.2: asks the driver which features the reader has, and under which codes. */
export const FEATURE_QUERY = 0x42000d48;

/** Features by their tags (PC/SC part 10 with amendment 1, 2.3): what their codes do. */
const features: ReadonlyMap<number, Feature> = new Map([
  [0x01, { does: "begins to verify", name: "VERIFY_PIN_START" }],
  [0x02, { does: "has verified", name: "VERIFY_PIN_FINISH" }],
  [0x03, { does: "manages", name: "MODIFY_PIN_START" }],
  [0x04, { does: "manages", name: "MODIFY_PIN_FINISH" }],
  [0x05, { does: "goes on", name: "GET_KEY_PRESSED" }],
  [0x06, { does: "verifies", name: "VERIFY_PIN_DIRECT" }],
  [0x07, { does: "manages", name: "MODIFY_PIN_DIRECT" }],
  [0x0a, { does: "tells", name: "IFD_PIN_PROPERTIES" }],
  [0x0b, { does: "goes on", name: "ABORT" }],
  [0x11, { does: "tells", name: "IFD_DISPLAY_PROPERTIES" }],
  [0x12, { does: "tells", name: "GET_TLV_PROPERTIES" }],
]);

export interface Feature {
  /**
   * "verifies": the structure in it has a VERIFY; "begins to verify" likewise, and "has verified" is answered with what
   * the card said. "goes on": with one that was begun.
   */
  readonly does: "tells" | "verifies" | "begins to verify" | "has verified" | "goes on" | "manages";
  readonly name: string;
}

/** The query itself. */
const query: Feature = { does: "tells", name: "the feature query" };
/** Everything else: commands to the reader in its maker's language, such as escape commands. */
const other: Feature = { does: "manages", name: "a control code that no profile knows" };

/** A reader's features by their codes, which each driver chooses itself. */
export type FeatureCodes = ReadonlyMap<number, Feature>;

/** An entry of the answer: a tag, 4, and the code, most significant byte first. */
const ENTRY_BYTES = 6;

/** Reads the answer to the feature query. What is malformed, or a code that stands for two features, is left out. */
export function readFeatures(answer: Uint8Array): FeatureCodes {
  const codes = new Map<number, Feature>();
  const view = new DataView(answer.buffer, answer.byteOffset, answer.length);
  for (let at = 0; at + ENTRY_BYTES <= answer.length; at += ENTRY_BYTES) {
    if (view.getUint8(at + 1) !== 4) break;
    const code = view.getUint32(at + 2);
    const feature = features.get(view.getUint8(at)) ?? other;
    codes.set(code, codes.has(code) ? other : feature);
  }
  return codes;
}

/** What a control code does. */
export const featureOf = (code: number, codes: FeatureCodes | undefined): Feature =>
  code === FEATURE_QUERY ? query : (codes?.get(code) ?? other);

/** What somebody has to be allowed for it, apart from the command in it. */
export function levelOf({ does }: Feature): Level {
  if (does === "tells") return Level.Look;
  return does === "manages" ? Level.Manage : Level.Use;
}

/** Where the command begins in PIN_VERIFY_STRUCTURE (PC/SC part 10, 2.5.2), and the number of its bytes before that. */
const COMMAND_AT = 19;
const LENGTH_AT = 15;
/** A header, and at most a short body. */
const [SHORTEST, LONGEST] = [4, 261] as const;

const VERIFY = 0x20;

/**
 * The command that a reader with a PIN pad is to fill in and send. Its lengths may be those of before or after.
 *
 * @returns undefined for what is none, or is no plain VERIFY. The structure is in the byte order of the host that made it.
 */
export function pinCommand(structure: Uint8Array): CommandView | undefined {
  const apdu = structure.subarray(COMMAND_AT);
  if (apdu.length < SHORTEST || apdu.length > LONGEST) return undefined;
  const view = new DataView(structure.buffer, structure.byteOffset, structure.length);
  const isLength = [true, false].some(
    (little) => view.getUint32(LENGTH_AT, little) === apdu.length,
  );
  // Whatever stands behind the header, the reader makes a well-formed command of it.
  const command = viewCommand(apdu.subarray(0, SHORTEST));
  const isPlain = command.kind === "interindustry" && !command.isSecured && !command.isChained;
  return isLength && isPlain && command.ins === VERIFY && command.p1 === 0 ? command : undefined;
}
