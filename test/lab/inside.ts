import { afterAll } from "vitest";
import { watchSecrets } from "./secret-watch.ts";

// Tests with real programs mount, change loopback routes and act as users who do not exist outside
// the namespaces that scripts/test.ts makes. Started by hand, vitest would do that to this computer.
if (process.env["CARDWIRE_LAB"] !== "1") {
  throw new Error("these tests run in namespaces of their own; use: npm test -- FILTER");
}

const { SECRETS_FILE: secrets } = process.env;
if (secrets !== undefined) afterAll(watchSecrets(secrets));
