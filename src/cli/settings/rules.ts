import * as v from "valibot";
import type { Rule } from "../../services/policy/rule.ts";
import { type Complain, type Groups, names, readListed, several } from "./listed-tables.ts";
import { aidPattern, atrPattern, byteMask } from "./patterns.ts";
import { cannotBe } from "./schema.ts";

const bytes = (key: string) =>
  several(
    key,
    byteMask,
    'it is a byte, such as "87" or 0x87, or with a mask, such as "80/f0", or a list',
  );

const rule = {
  key: "rule",
  schema: v.objectWithRest(
    {
      verdict: v.picklist(["allow", "deny"], ({ input }) =>
        cannotBe("verdict", input, 'it is "allow" or "deny"'),
      ),
      identities: v.optional(names("identities")),
      groups: v.optional(names("groups")),
      readers: v.optional(names("readers")),
      atr: v.optional(
        several(
          "atr",
          atrPattern,
          'it is in hexadecimal: whole, with * at its end, or "VALUE/MASK"',
        ),
      ),
      serial: v.optional(names("serial")),
      aid: v.optional(
        several(
          "aid",
          aidPattern,
          "it is 1 to 16 bytes in hexadecimal, with * for all that begin so",
        ),
      ),
      cla: v.optional(bytes("cla")),
      ins: v.optional(bytes("ins")),
      p1: v.optional(bytes("p1")),
      p2: v.optional(bytes("p2")),
      comment: v.optional(
        v.string(({ input }) => cannotBe("comment", input, "it is text in quotation marks")),
      ),
    },
    v.never(),
  ),
  missing: { verdict: 'say verdict = "allow" or verdict = "deny"' },
} as const;

/** The rules, `[[serve.rule]]`, in their order. What is wrong is told to `complain`. */
export const readRules = (value: unknown, groups: Groups, complain: Complain): readonly Rule[] =>
  readListed(value, rule, { groups, complain }).map(
    ({ name, entry: { atr: atrs, serial: serials, aid: aids, ...rest } }) => ({
      ...rest,
      atrs,
      serials,
      aids,
      name,
    }),
  );
