import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { buildSync } from "esbuild";

/** Largest size of the single file, bytes: a slow line is to carry it in about a second. */
const MOST = 250_000;

/** What Node.js 18 does not have, or not before 18.18. */
const OLDER_NODE = [
  'Symbol.dispose??=Symbol("Symbol.dispose")',
  'Symbol.asyncDispose??=Symbol("Symbol.asyncDispose")',
  "Array.prototype.toSorted??=function(f){return[...this].sort(f)}",
  "Array.prototype.toReversed??=function(){return[...this].reverse()}",
  "",
].join(";");

/**
 * Makes the single file that attach sends to hosts without cardwire, and beside it its SHA-256.
 *
 * @throws {Error} when it gets too large.
 */
export function writeBundle(path: string): void {
  const { version } = JSON.parse(readFileSync("package.json", "utf8")) as { version: string };
  buildSync({
    entryPoints: ["src/agent/bundle.ts"],
    outfile: path,
    bundle: true,
    minify: true,
    platform: "node",
    target: "node18",
    format: "cjs",
    define: { CARDWIRE_VERSION: JSON.stringify(version) },
    banner: { js: OLDER_NODE },
    legalComments: "none",
    logLevel: "warning",
  });
  const bytes = readFileSync(path);
  if (bytes.length > MOST)
    throw new Error(`${path} has ${bytes.length} bytes, ${MOST} are allowed`);
  writeFileSync(`${path}.sha256`, `${createHash("sha256").update(bytes).digest("hex")}\n`);
}
