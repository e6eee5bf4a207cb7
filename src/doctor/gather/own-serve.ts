import { stat } from "node:fs/promises";
import { validity } from "../../carriers/tls/authority.ts";
import { readCertificate } from "../../carriers/tls/certificates.ts";
import { CardwireError } from "../../domain/errors.ts";
import { portHolder } from "../../host/port-holder.ts";
import { checkPrivatePath, readPrivateFile } from "../../host/private-file.ts";
import { serveSocket } from "../../host/serve-socket.ts";
import { askServe } from "../../serve/ask-control.ts";
import { knownPlace } from "../../serve/place.ts";
import { existingStore, type Store, servePath } from "../../serve/store.ts";
import type { OwnServeCase } from "../judge/own-serve.ts";
import { lookAtSocket } from "./socket-place.ts";

/** What there is to know of a `cardwire serve` of this user's. Undefined where none was ever started. Changes nothing. */
export async function lookAtOwnServe(
  runtime: string,
  { signal }: { signal: AbortSignal },
): Promise<OwnServeCase | undefined> {
  const path = servePath();
  if (!(await stat(path).catch(() => undefined))) return undefined;
  try {
    await checkPrivatePath(path);
    const store = await existingStore();
    const { identities } = await store.read();
    const place = await knownPlace(store);
    const [authority, server, running, holder] = await Promise.all([
      until(store, "ca.crt"),
      until(store, "server.crt"),
      isRunning(),
      portHolder(place.port),
    ]);
    return {
      state: "known",
      path,
      people: identities.length,
      isMembers: place.organisation,
      authorityUntil: authority,
      serverUntil: server,
      now: Date.now(),
      port: place.port,
      running,
      holder,
      local: await lookAtSocket(serveSocket(runtime), { signal }),
    };
  } catch (error) {
    if (CardwireError.is(error)) return { state: "unusable", error };
    throw error;
  }
}

/** Until when a certificate of the store's holds, ms. */
async function until(store: Store, file: string): Promise<number | undefined> {
  const text = await readPrivateFile(store.file(file));
  return text === undefined ? undefined : validity(readCertificate(text)).to;
}

async function isRunning(): Promise<"yes" | "no" | "silent"> {
  try {
    return (await askServe({ do: "attendance" })) ? "yes" : "no";
  } catch {
    return "silent"; // or it says what no serve of this release would
  }
}
