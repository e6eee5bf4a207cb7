import { execFile } from "node:child_process";
import { verify, X509Certificate } from "node:crypto";
import { access, constants, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { CardwireError } from "../../domain/errors.ts";
import { DEFAULT_PIN } from "../../software-cards/piv/state.ts";
import { certificateText } from "./certificate-text.ts";
import { MESSAGE, type Walk } from "./step.ts";

const run = promisify(execFile);

/** Longest time that one of its programs may take, ms. */
const PATIENCE_MS = 20_000;
const PROGRAMS = ["opensc-tool", "pkcs11-tool"] as const;
/** Read by pkcs11-tool: what stands on its command line is for everybody to see. */
const PIN_VARIABLE = "CARDWIRE_DEMO_PIN";

export interface OpenscOptions {
  readonly socket: string;
  /** An existing directory of ours alone, for what goes in and out. */
  readonly directory: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** The walk with OpenSC's programs; nothing where they are not installed. */
export async function walkByOpensc(options: OpenscOptions): Promise<Walk | undefined> {
  const { env, directory, socket } = options;
  if (!(await areInstalled(PROGRAMS, env["PATH"] ?? ""))) return undefined;
  const tool = async (
    program: (typeof PROGRAMS)[number],
    args: readonly string[],
    { signal }: { readonly signal?: AbortSignal } = {},
  ): Promise<string> => {
    const about = {
      env: { ...env, PCSCLITE_CSOCK_NAME: socket, LC_ALL: "C", [PIN_VARIABLE]: DEFAULT_PIN },
      timeout: PATIENCE_MS,
      ...(signal && { signal }),
    };
    try {
      const { stdout } = await run(program, args, about);
      return stdout;
    } catch (cause) {
      signal?.throwIfAborted();
      throw failed(program, cause);
    }
  };
  const file = (name: string) => join(directory, name);
  const [name = "OpenSC"] = (await tool("opensc-tool", ["--info"])).split(" [");
  let certificate: X509Certificate | undefined;
  return {
    by: name.trim(),
    steps: [
      {
        name: "list",
        by: "opensc-tool --list-readers",
        run: async (within) => readerLine(await tool("opensc-tool", ["--list-readers"], within)),
      },
      {
        name: "read",
        by: "pkcs11-tool --read-object --type cert --id 01",
        run: async (within) => {
          const to = file("certificate");
          const args = ["--read-object", "--type", "cert", "--id", "01", "--output-file", to];
          await tool("pkcs11-tool", args, within);
          certificate = new X509Certificate(await readFile(to));
          return certificateText(certificate);
        },
      },
      {
        name: "sign",
        by: "pkcs11-tool --login --sign --id 01 --mechanism SHA256-RSA-PKCS",
        run: async (within) => {
          await writeFile(file("message"), MESSAGE);
          const what = ["--sign", "--id", "01", "--mechanism", "SHA256-RSA-PKCS"];
          const files = ["--input-file", file("message"), "--output-file", file("signature")];
          await tool(
            "pkcs11-tool",
            ["--login", "--pin", `env:${PIN_VARIABLE}`, ...what, ...files],
            within,
          );
          return `a signature of ${(await readFile(file("signature"))).length} bytes`;
        },
      },
      {
        name: "check",
        by: "with the public key of the certificate",
        run: async () => {
          const signature = await readFile(file("signature"));
          if (!certificate || !verify("sha256", MESSAGE, certificate.publicKey, signature))
            throw new CardwireError("E_DEMO", "the signature is not good");
          return "the signature is good";
        },
      },
    ],
  };
}

async function areInstalled(programs: readonly string[], path: string): Promise<boolean> {
  const found = await Promise.all(
    programs.map(async (program) => {
      for (const folder of path.split(":").filter(Boolean)) {
        const isThere = await access(join(folder, program), constants.X_OK).then(
          () => true,
          () => false,
        );
        if (isThere) return true;
      }
      return false;
    }),
  );
  return found.every(Boolean);
}

/** `0    Yes             cardwire Demo 00 00` of its table, as a sentence. */
function readerLine(table: string): string {
  const [, card, name] = /^\d+\s+(Yes|No)\s+(?:PIN pad\s+)?(.+)$/m.exec(table) ?? [];
  if (name === undefined) throw new CardwireError("E_DEMO", "opensc-tool lists no reader");
  return `${name.trim()}: ${card === "Yes" ? "card present" : "no card"}`;
}

function failed(program: string, cause: unknown): CardwireError {
  const { stderr = "", message = "" } = cause as { stderr?: string; message?: string };
  const said = stderr.trim().split("\n").slice(-2).join("; ");
  return new CardwireError("E_DEMO", `${program} failed: ${said || message}`, {
    cause,
    hint: `'cardwire attach demo:' offers the same card, and OPENSC_DEBUG=3 makes ${program} tell what it does.`,
  });
}
