import { createRequire } from "node:module";
import type { NodeFacts } from "../judge/node.ts";

/** The Node.js that runs us, and whether the optional package is there. */
export function lookAtNode(): NodeFacts {
  return { version: process.versions.node, koffi: hasKoffi() };
}

function hasKoffi(): boolean {
  try {
    createRequire(import.meta.url).resolve("koffi");
    return true;
  } catch {
    return false;
  }
}
