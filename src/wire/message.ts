/**
 * Room for a message: `fixed` zeros for its structs, and its payload behind them. A Buffer from Node.js's pool, which
 * streams take as it is; what they make of another Uint8Array costs more than the whole message.
 */
export function messageOf(fixed: number, payload: Uint8Array): Uint8Array {
  const out = Buffer.allocUnsafe(fixed + payload.length);
  out.fill(0, 0, fixed);
  out.set(payload, fixed);
  return out;
}
