import type { CardAttendance } from "../../serve/control-messages.ts";
import { printable } from "../report.ts";

/** What a person is shown of the cards that a running serve offers: who has each, and who waits for it, in order. */
export const attendanceText = (cards: readonly CardAttendance[]): string =>
  ["serve:", ...cards.flatMap(cardLines), ...(cards.length === 0 ? ["  no readers"] : [])].join(
    "\n",
  );

function cardLines({ reader, serial, holder, lease, waiting }: CardAttendance): readonly string[] {
  const leased = lease ? [`leased to ${printable(lease.identity)}`] : [];
  const held = holder === undefined ? [] : [`${printable(holder)} has it`];
  const facts = [...leased, ...held];
  const card = serial === undefined ? "" : ` (card ${printable(serial)})`;
  return [
    `  ${printable(reader)}${card}: ${facts.length === 0 ? "free" : facts.join(", ")}`,
    ...waiting.map(
      ({ identity, what, waitedMs }, index) =>
        `    ${index + 1}. ${printable(identity)} waits (${printable(what)}, ${seconds(waitedMs)})`,
    ),
  ];
}

const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`;
