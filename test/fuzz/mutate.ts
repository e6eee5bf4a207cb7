import type { Draw } from "./draw.ts";

// What can become of messages on their way, or on purpose.

/** A mutated stream, and what was done to it. */
export interface Mutated {
  readonly bytes: Buffer;
  readonly how: string;
}

/** Numbers at which lengths, signs and limits turn (protocol reference, sections 1.4 to 1.6). */
export const HOSTILE_NUMBERS: readonly number[] = [
  0, 1, 2, 3, 4, 7, 8, 12, 16, 23, 24, 32, 33, 34, 99, 127, 128, 152, 184, 255, 256, 263, 264, 265,
  280, 0x7fff, 0x8000, 0xffff, 0x10000, 65_547, 65_548, 65_549, 0xffffff, 0x7fffffff, 0x80000000,
  0x80100008, 0x8010000b, 0xfffffff0, 0xffffffff,
];

type Mutation = (messages: readonly Buffer[], draw: Draw) => readonly Buffer[];

const cut: Mutation = (messages, draw) => {
  const whole = Buffer.concat(messages);
  return [whole.subarray(0, draw.below(whole.length + 1))];
};

const flip: Mutation = (messages, draw) => {
  const whole = Buffer.concat(messages);
  for (let flips = draw.between(1, 6); flips > 0 && whole.length > 0; flips--) {
    const at = draw.below(whole.length);
    whole[at] = (whole[at] ?? 0) ^ (1 << draw.below(8));
  }
  return [whole];
};

const setWord: Mutation = (messages, draw) => {
  const whole = Buffer.concat(messages);
  for (let words = draw.between(1, 3); words > 0 && whole.length >= 4; words--) {
    const at = draw.below(Math.floor(whole.length / 4)) * 4;
    const value = draw.pick(HOSTILE_NUMBERS);
    if (draw.chance(0.5)) whole.writeUInt32LE(value, at);
    else whole.writeUInt32BE(value, at);
  }
  return [whole];
};

const insert: Mutation = (messages, draw) => {
  const whole = Buffer.concat(messages);
  const at = draw.below(whole.length + 1);
  const extra = draw.bytes(draw.pick([1, 2, 4, 8, 100, 3000]));
  return [whole.subarray(0, at), extra, whole.subarray(at)];
};

const remove: Mutation = (messages, draw) => {
  const whole = Buffer.concat(messages);
  const at = draw.below(whole.length + 1);
  return [whole.subarray(0, at), whole.subarray(at + draw.pick([1, 2, 4, 8, 50]))];
};

const shuffle: Mutation = (messages, draw) => draw.shuffled(messages);

const duplicate: Mutation = (messages, draw) => {
  const at = draw.below(messages.length);
  const again = messages[at] ?? Buffer.alloc(0);
  return [...messages.slice(0, at), again, ...messages.slice(at)];
};

const drop: Mutation = (messages, draw) => messages.toSpliced(draw.below(messages.length), 1);

const swapWords: Mutation = (messages, draw) => {
  const at = draw.below(messages.length);
  return messages.map((message, index) =>
    index === at && message.length % 4 === 0 ? Buffer.from(message).swap32() : message,
  );
};

const mutations: Readonly<Record<string, Mutation>> = {
  cut,
  flip,
  setWord,
  insert,
  remove,
  shuffle,
  duplicate,
  drop,
  swapWords,
};
const names = Object.keys(mutations);

/** One to three mutations, one after the other. */
export function mutate(messages: readonly Buffer[], draw: Draw): Mutated {
  let mutated = messages;
  const how: string[] = [];
  for (let times = draw.pick([1, 1, 1, 2, 3]); times > 0; times--) {
    const name = draw.pick(names);
    how.push(name);
    if (mutated.length > 0) mutated = mutations[name]?.(mutated, draw) ?? mutated;
  }
  return { bytes: Buffer.concat(mutated), how: how.join("+") };
}
