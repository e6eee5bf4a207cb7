import type * as X509 from "@peculiar/x509";

let loading: Promise<typeof X509> | undefined;

/** The library that makes certificates: some 110 ms to load, so only those who make one load it. */
export function x509(): Promise<typeof X509> {
  loading ??= load();
  return loading;
}

async function load(): Promise<typeof X509> {
  await import("reflect-metadata"); // first: the library's own dependencies ask for it
  return await import("@peculiar/x509");
}
