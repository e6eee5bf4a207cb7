import * as fc from "fast-check";
import { callOf, type Request } from "../../src/wire/pcsclite/calls.ts";
import { Command, MAX_ATTRIBUTE } from "../../src/wire/pcsclite/constants.ts";
import type { Dialect } from "../../src/wire/pcsclite/dialects.ts";

export const commands: readonly Command[] = Object.values(Command);

/** The struct with that content, and with lengths that fit what follows it. */
function requestOf(
  command: Command,
  dialect: Dialect,
  content: Uint8Array,
  payload: Uint8Array,
): Request {
  const layout = callOf(command)!.layout(dialect);
  const struct = new Uint8Array(layout.size);
  for (let at = 0; at < struct.length; at++) struct[at] = content[at % content.length] ?? 0;
  const body = { ...(layout.decode(struct, "little") as object) };
  const sends = command === Command.Transmit || command === Command.Control;
  const holds = command === Command.GetAttrib || command === Command.SetAttrib;
  return {
    command,
    body: {
      ...body,
      ...(sends ? { sendLength: payload.length } : {}),
      ...(holds ? { length: payload.length % (MAX_ATTRIBUTE + 1) } : {}),
    },
    payload: sends ? payload : new Uint8Array(0),
    // Each command has its body, but TypeScript cannot follow that through a choice of commands.
  } as Request;
}

/** Any request of a dialect. */
export const anyRequest = (dialect: Dialect): fc.Arbitrary<Request> =>
  fc
    .tuple(
      fc.constantFrom(...commands),
      fc.uint8Array({ minLength: 1, maxLength: 300 }),
      fc.uint8Array({ maxLength: 300 }),
    )
    .map(([command, content, payload]) => requestOf(command, dialect, content, payload));

/** The same from a generator, where many thousands are needed. */
export function randomRequest(dialect: Dialect, random: () => number): Request {
  const some = (longest: number) =>
    Uint8Array.from({ length: 1 + Math.floor(random() * longest) }, () => random() * 256);
  const command = commands[Math.floor(random() * commands.length)]!;
  return requestOf(command, dialect, some(40), some(40));
}
