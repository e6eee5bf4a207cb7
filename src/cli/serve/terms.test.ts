import { describe, expect, test } from "vitest";
import { NO_SERVE_SETTINGS, type ServeSettings } from "../settings/serve-settings.ts";
import { Terms } from "./terms.ts";

const settings = (some: Partial<ServeSettings>): ServeSettings => ({
  ...NO_SERVE_SETTINGS,
  ...some,
});

describe("limits", () => {
  test("of the file hold for all, and the command line goes before it", () => {
    const from = settings({ options: { idleLimit: 5_000, linkLimit: 3 } });
    const terms = new Terms({ linkLimit: 9 }, from);
    expect(terms.turnLimits("alice")).toEqual({ idleMs: 5_000 });
    expect(terms.identityLimits("alice")).toEqual({ links: 9 });
  });

  test("of the first table that is about an identity go before both", () => {
    const terms = new Terms(
      { linkLimit: 9, rateLimit: 50 },
      settings({
        options: { idleLimit: 5_000 },
        limits: [
          { identities: ["ci-*"], options: { linkLimit: 1 } },
          { groups: ["staff"], options: { idleLimit: 7_000 } },
          { options: { linkLimit: 2, idleLimit: 1 } },
        ],
        rules: { rules: [], groups: new Map([["staff", ["ali*", "ci-2"]]]) },
      }),
    );
    expect(terms.identityLimits("ci-2")).toEqual({ links: 1, perSecond: 50 });
    expect(terms.turnLimits("ci-2")).toEqual({ idleMs: 5_000 });
    expect(terms.turnLimits("alice")).toEqual({ idleMs: 7_000 });
    expect(terms.identityLimits("alice")).toEqual({ links: 9, perSecond: 50 });
    expect(terms.identityLimits("bob")).toEqual({ links: 2, perSecond: 50 });
  });

  test("are others as soon as the file says so", () => {
    const terms = new Terms({}, settings({ options: { handleLimit: 1 } }));
    expect(terms.identityLimits("alice")).toEqual({ handles: 1 });
    terms.update(settings({ options: { handleLimit: 2 } }));
    expect(terms.identityLimits("alice")).toEqual({ handles: 2 });
  });

  test("are right for more identities than are remembered", () => {
    const limits = [{ identities: ["n1*"], options: { linkLimit: 1 } }];
    const terms = new Terms({ linkLimit: 2 }, settings({ limits }));
    const names = Array.from({ length: 2_500 }, (_, at) => `n${at}`);
    const found = names.map((name) => terms.identityLimits(name).links);
    expect(found).toEqual(names.map((name) => (name.startsWith("n1") ? 1 : 2)));
  });
});

test("hand-over: the first table that is about a reader, the command line, the file, reset", () => {
  const readers = [
    { readers: ["Yubi*"], options: { handOver: "exclusive" } },
    { readers: ["*"], options: { handOver: "shared" } },
  ];
  const terms = new Terms({}, NO_SERVE_SETTINGS);
  expect(terms.handOver("YubiKey 00 00")).toBe("reset");
  terms.update(settings({ options: { handOver: "shared" } }));
  expect(terms.handOver("YubiKey 00 00")).toBe("shared");
  const given = new Terms(
    { handOver: "reset-unless-same-user" },
    settings({ options: { handOver: "shared" }, readers: readers.slice(0, 1) }),
  );
  expect(given.handOver("Other 00 00")).toBe("reset-unless-same-user");
  expect(given.handOver("YubiKey 00 00")).toBe("exclusive");
  given.update(settings({ readers }));
  expect(given.handOver("YubiKey 00 00")).toBe("exclusive");
  expect(given.handOver("Other 00 00")).toBe("shared");
});
