import { readObjects, readOnly } from "./command.ts";

/** The dynamic authentication template and what stands in it (SP 800-73-4 part 2, table 7). */
export const Template = {
  Tag: 0x7c,
  Witness: 0x80,
  Challenge: 0x81,
  Response: 0x82,
  Exponentiation: 0x85,
} as const;

/** The objects in a command's template, by their tags; undefined where it is malformed or names one twice. */
export function readTemplate(data: Uint8Array): ReadonlyMap<number, Uint8Array> | undefined {
  const inside = readOnly(data, Template.Tag);
  const objects = inside && readObjects(inside);
  const byTag = new Map(objects?.map(({ tag, value }) => [tag, value]));
  return objects && byTag.size === objects.length ? byTag : undefined;
}
