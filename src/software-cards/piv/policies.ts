import type { Tlv } from "../../wire/iso7816/tlv.ts";
import { Sw } from "./command.ts";
import { defaultPinPolicy, PinPolicy, type SlotNumber } from "./slots.ts";

/** YubiKey's tags for what a new key wants of its user. */
const PIN_POLICY = 0xaa;
const TOUCH_POLICY = 0xab;

/** Whatever asks for no touch: the slot's own rule, or never. */
const UNTOUCHED: ReadonlySet<number> = new Set([0, 1]);

const isPinPolicy = (value: number | undefined): value is PinPolicy =>
  value === PinPolicy.Never || value === PinPolicy.Once || value === PinPolicy.Always;

/**
 * The PIN policy among the objects of a command that makes a key.
 *
 * @returns a status word where it is malformed, or asks for a button to be touched, which this card has not.
 */
export function readPolicy(
  objects: readonly Tlv[],
  slot: SlotNumber,
): { readonly policy: PinPolicy } | { readonly sw: number } {
  const find = (tag: number) => objects.find((one) => one.tag === tag)?.value;
  const [pin, touch] = [find(PIN_POLICY), find(TOUCH_POLICY)];
  if ((pin ?? [0]).length !== 1 || (touch ?? [0]).length !== 1) return { sw: Sw.WrongData };
  if (!UNTOUCHED.has(touch?.[0] ?? 0)) return { sw: Sw.FunctionNotSupported };
  const asked = pin?.[0] ?? 0;
  if (asked === 0) return { policy: defaultPinPolicy(slot) };
  return isPinPolicy(asked) ? { policy: asked } : { sw: Sw.WrongData };
}
