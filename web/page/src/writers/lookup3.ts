/** The checksum of HDF5's headers: `hashlittle` of lookup3.c (Jenkins 2006), begun with 0. */

export function lookup3(bytes: Uint8Array): number {
  let [a, b, c] = [0, 0, 0].map(() => (0xdeadbeef + bytes.length) | 0);
  let at = 0;
  const word = (k: number) => {
    let value = 0;
    for (let i = 3; i >= 0; i--) value = (value << 8) | (bytes[at + 4 * k + i] ?? 0);
    return value;
  };
  for (; bytes.length - at > 12; at += 12) {
    a = (a + word(0)) | 0;
    b = (b + word(1)) | 0;
    c = (c + word(2)) | 0;
    [a, b, c] = mixed(a, b, c);
  }
  if (bytes.length === at) return c >>> 0;
  return settled((a + word(0)) | 0, (b + word(1)) | 0, (c + word(2)) | 0) >>> 0;
}

function mixed(a: number, b: number, c: number): [number, number, number] {
  for (const [first, second, third] of [[4, 6, 8], [16, 19, 4]]) {
    a = ((a - c) | 0) ^ turned(c, first);
    c = (c + b) | 0;
    b = ((b - a) | 0) ^ turned(a, second);
    a = (a + c) | 0;
    c = ((c - b) | 0) ^ turned(b, third);
    b = (b + a) | 0;
  }
  return [a, b, c];
}

function settled(a: number, b: number, c: number): number {
  c = ((c ^ b) - turned(b, 14)) | 0;
  a = ((a ^ c) - turned(c, 11)) | 0;
  b = ((b ^ a) - turned(a, 25)) | 0;
  c = ((c ^ b) - turned(b, 16)) | 0;
  a = ((a ^ c) - turned(c, 4)) | 0;
  b = ((b ^ a) - turned(a, 14)) | 0;
  return ((c ^ b) - turned(b, 24)) | 0;
}

function turned(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits));
}
