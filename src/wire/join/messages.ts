import * as v from "valibot";
import { TOKEN_SECRET_BYTES } from "./token.ts";

// What is said on connections that are no links, a line of JSON each: docs/serve.md, "On the line".

const bytes = (most: number) =>
  v.pipe(
    v.string(),
    v.maxLength(most * 2),
    v.base64(),
    v.transform((text) => new Uint8Array(Buffer.from(text, "base64"))),
    v.maxLength(most),
  );
const words = v.pipe(v.string(), v.maxLength(256));
const pem = v.pipe(v.string(), v.maxLength(16_384));

/** A request for a certificate; see PKCS #10. */
const request = bytes(4_096);

/** The first words of who joins. */
export const JoinRequest = v.object({
  /** The token's. */
  secret: v.pipe(bytes(TOKEN_SECRET_BYTES), v.length(TOKEN_SECRET_BYTES)),
  request,
  /** On which computer, for people. */
  on: words,
});
export type JoinRequest = v.InferOutput<typeof JoinRequest>;

/** Those of who wants a certificate in the place of the one that he showed. */
export const RenewRequest = v.object({ request });

/** The answer to either. */
export const Reply = v.union([
  v.object({ name: words, certificate: pem }),
  v.object({ code: words, message: words }),
]);
export type Reply = v.InferOutput<typeof Reply>;

/** A message as its schema has it; undefined where it is something else. */
export function read<S extends v.GenericSchema>(
  schema: S,
  message: unknown,
): v.InferOutput<S> | undefined {
  const result = v.safeParse(schema, message);
  return result.success ? result.output : undefined;
}

/** Bytes as messages have them. */
export const asText = (some: Uint8Array): string => Buffer.from(some).toString("base64");
