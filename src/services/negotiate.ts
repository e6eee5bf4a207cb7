import { Protocol } from "../domain/pcsc.ts";
import { parseAtr } from "../wire/iso7816/atr.ts";

/**
 * Which protocol a connect or reconnect leaves active (protocol reference, section 5.6): the first program decides for
 * all until the next power-up.
 *
 * @param requested the caller's bit set; 0x1000 stands for T=0 and T=1.
 * @param active what is negotiated already, 0 for nothing.
 * @param atr the card's answer to reset.
 * @returns undefined where they do not fit.
 */
export function negotiate(requested: number, active: number, atr: Uint8Array): number | undefined {
  if (active !== Protocol.Undefined) return (active & requested) === 0 ? undefined : active;
  const card = parseAtr(atr);
  const wanted = (requested & Protocol.Any) === 0 ? requested : Protocol.T0 | Protocol.T1;
  const common = wanted & (card?.offered ?? Protocol.Undefined);
  return [Protocol.T1, Protocol.T0].find((protocol) => (common & protocol) !== 0);
}

/** Whether a connect that is not direct names any protocol that pcscd knows. */
export const namesProtocol = (requested: number): boolean =>
  (requested & (Protocol.T0 | Protocol.T1 | Protocol.Raw | Protocol.Any)) !== 0;
