import { type Finding, finding, type Place } from "../finding.ts";

/**
 * What OpenSC's `pkcs11-tool --sign --login` asks of pcscd for one signature with a PIV card. Through cardwire it waits
 * for 49 card commands, 12 begins of transactions, 3 connects and 2 controls; through plain `ssh -L` for every request.
 */
const SIGNATURE = { throughCardwire: 49 + 12 + 3 + 2, throughForward: 136 };

/** From here on a person notices every signature, s. */
const SLOW_S = 5;

/** What the time of one exchange means for a person. The card's own time comes on top. */
export function judgeLine(place: Place, roundTripMs: number | undefined): readonly Finding[] {
  if (roundTripMs === undefined) return [];
  const seconds = (trips: number): number => (trips * roundTripMs) / 1_000;
  const own = seconds(SIGNATURE.throughCardwire);
  const line = place.remote
    ? `; an OpenSC signature waits ${shown(own)} s for the line (plain ssh -L: ${shown(seconds(SIGNATURE.throughForward))} s)`
    : "";
  const what = `one exchange with pcscd on ${place.name} takes ${roundTripMs.toFixed(1)} ms${line}`;
  return [
    own < SLOW_S
      ? finding("line-round-trip", "good", what)
      : finding("line-slow", "note", what, "A nearer network, or a VPN that makes no detour."),
  ];
}

const shown = (seconds: number): string => seconds.toFixed(seconds < 1 ? 2 : 1);
