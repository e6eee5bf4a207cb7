/** Algorithm identifiers of asymmetric keys: SP 800-78-4, table 6-2; those after P-384 are YubiKey's, from 5.7 on. */
export const Algorithm = {
  Rsa3072: 0x05,
  Rsa1024: 0x06,
  Rsa2048: 0x07,
  EccP256: 0x11,
  EccP384: 0x14,
  Rsa4096: 0x16,
  Ed25519: 0xe0,
  X25519: 0xe1,
} as const;
export type Algorithm = (typeof Algorithm)[keyof typeof Algorithm];

/** How Node.js makes and names such keys. */
export type KeyKind =
  | { readonly type: "rsa"; readonly bits: number }
  | {
      readonly type: "ec";
      /** OpenSSL's name of the curve, and the one of JSON Web Keys. */
      readonly curve: "prime256v1" | "secp384r1";
      readonly jwk: "P-256" | "P-384";
      /** Of a coordinate, a scalar, and the longest digest that is signed, bytes. */
      readonly size: number;
    }
  | { readonly type: "ed25519" }
  | { readonly type: "x25519" };

const kinds: Readonly<Record<Algorithm, KeyKind>> = {
  [Algorithm.Rsa1024]: { type: "rsa", bits: 1024 },
  [Algorithm.Rsa2048]: { type: "rsa", bits: 2048 },
  [Algorithm.Rsa3072]: { type: "rsa", bits: 3072 },
  [Algorithm.Rsa4096]: { type: "rsa", bits: 4096 },
  [Algorithm.EccP256]: { type: "ec", curve: "prime256v1", jwk: "P-256", size: 32 },
  [Algorithm.EccP384]: { type: "ec", curve: "secp384r1", jwk: "P-384", size: 48 },
  [Algorithm.Ed25519]: { type: "ed25519" },
  [Algorithm.X25519]: { type: "x25519" },
};

export const kindOf = (algorithm: Algorithm): KeyKind => kinds[algorithm];

export const isAlgorithm = (value: number | undefined): value is Algorithm =>
  value !== undefined && value in kinds;

/** Algorithm identifiers of the management key: SP 800-78-4, table 6-2. */
export const ManagementAlgorithm = {
  TripleDes: 0x03,
  Aes128: 0x08,
  Aes192: 0x0a,
  Aes256: 0x0c,
} as const;
export type ManagementAlgorithm = (typeof ManagementAlgorithm)[keyof typeof ManagementAlgorithm];

export interface Cipher {
  /** OpenSSL's, one block at a time. */
  readonly name: string;
  readonly keySize: number;
  readonly blockSize: number;
}

const ciphers: Readonly<Record<ManagementAlgorithm, Cipher>> = {
  [ManagementAlgorithm.TripleDes]: { name: "des-ede3-ecb", keySize: 24, blockSize: 8 },
  [ManagementAlgorithm.Aes128]: { name: "aes-128-ecb", keySize: 16, blockSize: 16 },
  [ManagementAlgorithm.Aes192]: { name: "aes-192-ecb", keySize: 24, blockSize: 16 },
  [ManagementAlgorithm.Aes256]: { name: "aes-256-ecb", keySize: 32, blockSize: 16 },
};

export const cipherOf = (algorithm: ManagementAlgorithm): Cipher => ciphers[algorithm];

export const isManagementAlgorithm = (value: number | undefined): value is ManagementAlgorithm =>
  value !== undefined && value in ciphers;
