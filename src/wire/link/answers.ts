import { ProtocolError } from "../../domain/errors.ts";

/** Bytes before each answer, which say how long it is. */
export const ANSWER_HEAD = 4;

/** Several answers of a card, one behind the other. */
export function encodeAnswers(answers: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat(
    answers.flatMap((answer) => {
      const head = Buffer.alloc(ANSWER_HEAD);
      head.writeUInt32BE(answer.length);
      return [head, answer];
    }),
  );
}

/** Copies none of the bytes. @throws {ProtocolError} when the lengths are not right. */
export function decodeAnswers(bytes: Uint8Array): readonly Uint8Array[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const answers: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; ) {
    const begin = at + ANSWER_HEAD;
    const end = begin <= bytes.length ? begin + view.getUint32(at) : Number.POSITIVE_INFINITY;
    if (end > bytes.length) throw new ProtocolError("an answer fetched ahead ends too early");
    answers.push(bytes.subarray(begin, end));
    at = end;
  }
  return answers;
}
