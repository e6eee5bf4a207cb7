/** Longest name of a host, characters (RFC 1035, 2.3.4). */
const MAX_HOST = 253;

/** Whether a text can be a host's name or its address: `cardhost.example.org`, `192.0.2.7`, `2001:db8::7`. */
export function isHostAddress(text: string): boolean {
  if (text.length === 0 || text.length > MAX_HOST) return false;
  if (text.includes(":")) return /^[0-9A-Fa-f:.]{2,45}$/.test(text) && text.split(":").length > 2;
  return text
    .split(".")
    .every((label) => /^[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?$/.test(label));
}

/** Whether an address stands for all of a computer's: `0.0.0.0`, `::`, or another spelling. Nobody is reached there. */
export const isAnyAddress = (text: string): boolean => /^[0.:]+$/.test(text);

/** A host and a port as one word: those of IPv6 stand in brackets. */
export const withPort = (host: string, port: number): string =>
  host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
