/** What identifies a card among federal agencies. Each is a string of decimal digits, of the length that it has. */
export interface FascN {
  /** Four digits. */
  readonly agency: string;
  /** Four digits. */
  readonly system: string;
  /** Six digits. */
  readonly credential: string;
  /** One digit: credential series. */
  readonly series: string;
  /** One digit: individual credential issue. */
  readonly issue: string;
  /** Ten digits. */
  readonly person: string;
  /** One digit: organizational category. */
  readonly category: string;
  /** Four digits. */
  readonly organization: string;
  /** One digit: the person's association with the organization. */
  readonly association: string;
}

/** Of a card that no agency issued: fourteen nines, and its GUID counts (SP 800-73-4 part 1, 3.1.2). */
export const nobodysFascN: FascN = {
  agency: "9999",
  system: "9999",
  credential: "999999",
  series: "0",
  issue: "0",
  person: "0000000000",
  category: "0",
  organization: "0000",
  association: "0",
};

const [START, SEPARATOR, END] = [0x0b, 0x0d, 0x0f];

/**
 * Packs it into 25 bytes: forty characters of four bits, least significant first, and an odd parity bit each (Technical
 * Implementation Guidance: Smart Card Enabled Physical Access Control Systems, 2.1).
 */
export function encodeFascN(fields: FascN): Uint8Array {
  const digits = (text: string) => Array.from(text, Number);
  const { agency, system, credential, series, issue } = fields;
  const last = [fields.person, fields.category, fields.organization, fields.association];
  const characters = [
    START,
    ...digits(agency),
    SEPARATOR,
    ...digits(system),
    SEPARATOR,
    ...digits(credential),
    SEPARATOR,
    ...digits(series),
    SEPARATOR,
    ...digits(issue),
    SEPARATOR,
    ...digits(last.join("")),
    END,
  ];
  const check = characters.reduce((sum, character) => sum ^ character, 0);
  const bits = [...characters, check].map(withParity).join("");
  return Uint8Array.from({ length: bits.length / 8 }, (_, i) =>
    Number.parseInt(bits.slice(i * 8, i * 8 + 8), 2),
  );
}

function withParity(character: number): string {
  const bits = [1, 2, 4, 8].map((bit) => (character & bit ? 1 : 0));
  const isEven = bits.reduce<number>((sum, bit) => sum + bit, 0) % 2 === 0;
  return `${bits.join("")}${isEven ? 1 : 0}`;
}
