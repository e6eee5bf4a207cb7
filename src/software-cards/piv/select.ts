import { encodeTlv } from "../../wire/iso7816/tlv.ts";
import { type Command, Sw } from "./command.ts";
import { freshSession } from "./session.ts";

/** The PIV application's identifier, version 1.0 (SP 800-73-4 part 1, 2.2): RID, then PIX. */
export const PIV_AID = Buffer.from("a000000308000010000100", "hex");
const RID_BYTES = 5;
/** NIST's identifier and the application's; without the version. */
const SHORTEST_AID = RID_BYTES;

const [BY_NAME, FIRST] = [0x04, 0x00];

/** The application property template (SP 800-73-4 part 2, table 3), as YubiKeys give it. */
const propertyTemplate = encodeTlv(
  0x61,
  encodeTlv(0x4f, PIV_AID.subarray(RID_BYTES)),
  encodeTlv(0x79, encodeTlv(0x4f, PIV_AID.subarray(0, RID_BYTES))),
);

/**
 * SELECT (SP 800-73-4 part 2, 3.1.1), by the whole identifier or its beginning. Selecting it again changes nothing;
 * selecting what is not there neither.
 */
export const select: Command = ({ session }, { p1, p2, data }) => {
  // ISO/IEC 7816-4, 11.2.2: the low bits of P2 say which of several, the next what is to be told.
  if (p1 !== BY_NAME || (p2 & 0x03) !== FIRST) return { sw: Sw.WrongParameters };
  const isOurs =
    data.length >= SHORTEST_AID && Buffer.from(data).equals(PIV_AID.subarray(0, data.length));
  if (!isOurs) return { sw: Sw.NotFound };
  return {
    sw: Sw.Success,
    data: propertyTemplate,
    session: session.isSelected ? session : { ...freshSession, isSelected: true },
  };
};
