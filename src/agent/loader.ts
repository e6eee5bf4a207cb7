/** What a process of the single file is to be. */
export type Role = "agent" | "keeper";

/** The single file, as it was sent. */
export interface Shipped {
  readonly role: Role;
  /** Its gzipped bytes. */
  readonly bytes: Uint8Array;
  /** Their SHA-256, hexadecimal. */
  readonly hash: string;
}

/**
 * A program for `node -e`, from Node.js 18 on, with three arguments: how many bytes are sent, their SHA-256, and a
 * {@link Role}. Reads so many bytes of its standard input, checks them, unpacks them and runs them; nothing is written
 * to a disk. What follows in the input is for the program. Has no single quotation mark, for the shell's sake.
 */
export const LOADER = [
  `const [,n,h,role]=process.argv,bytes=Buffer.alloc(+n);`,
  `for(let o=0;o<bytes.length;){let c=0;`,
  `try{c=require("fs").readSync(0,bytes,o,bytes.length-o,null)}`,
  `catch(e){if(e.code!=="EAGAIN")throw e;Atomics.wait(new Int32Array(new SharedArrayBuffer(4)),0,0,5);continue}`,
  `if(!c)process.exit(3);o+=c}`,
  `const hash=require("crypto").createHash("sha256").update(bytes).digest("hex");`,
  `if(hash!==h)throw new Error("what arrived is not what was sent");`,
  `const m=new(require("module"))("cardwire-agent");`,
  `m._compile(require("zlib").gunzipSync(bytes).toString(),"cardwire-agent.cjs");`,
  `m.exports.main({role,bytes,hash});`,
].join("");
