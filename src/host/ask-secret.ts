import { openSync, writeSync } from "node:fs";
import { ReadStream } from "node:tty";
import { CardwireError } from "../domain/errors.ts";

/** What keys send, to a terminal in raw mode. */
const Key = { Interrupt: "\x03", EndOfInput: "\x04", Erase: ["\x7f", "\b"] } as const;

/**
 * Asks a person at the controlling terminal for something that is not shown, whatever standard input is.
 *
 * @throws {CardwireError} `E_CARD_DATA` when there is no terminal, or nothing is typed.
 */
export async function askSecret(prompt: string): Promise<string> {
  const fd = openTerminal();
  const terminal = new ReadStream(fd);
  try {
    terminal.setRawMode(true);
    writeSync(fd, prompt);
    const typed = await readLine(terminal);
    writeSync(fd, "\r\n");
    if (typed === undefined) throw new CardwireError("E_CARD_DATA", "nothing was typed");
    return typed;
  } finally {
    terminal.setRawMode(false);
    terminal.destroy(); // closes fd, too
  }
}

function openTerminal(): number {
  try {
    return openSync("/dev/tty", "r+");
  } catch (cause) {
    throw new CardwireError("E_CARD_DATA", "there is no terminal to ask at", {
      cause,
      hint: "Name a file in place of '-'.",
    });
  }
}

/** What is typed before Enter; undefined when it is given up. */
async function readLine(terminal: ReadStream): Promise<string | undefined> {
  let typed = "";
  for await (const chunk of terminal) {
    for (const character of String(chunk)) {
      if (character === "\r" || character === "\n") return typed === "" ? undefined : typed;
      if (character === Key.Interrupt || character === Key.EndOfInput) return undefined;
      const isErased = Key.Erase.some((key) => key === character);
      typed = isErased ? typed.slice(0, -1) : typed + character;
    }
  }
  return undefined;
}
