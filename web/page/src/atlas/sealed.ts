/** The atlas file (`.cellport`): one zip of stored members behind a seal.
 *
 * Read and refused as `runtime/atlas/file.py` of the Python package does, in the same words.
 */

import decisions, { say } from "../decisions";
import { AtlasError } from "../errors";
import { openParts, type Parts, sha256 } from "./parts";

const { atlas_file: said, format } = decisions;
const MANIFEST = "manifest.json";
const NEEDED = ["README.md", "encoder.onnx", "encoder_tail.onnx"];
const NAME = /^(?:README\.md|[a-z_]+\.onnx|arrays\/[a-z0-9_]+\.npy)$/;
const SEAL = "cellport atlas, sha256 of all bytes before these 64: ";
const COMMENT = SEAL.length + 64;
// of the zip format: its three kinds of records, and the bytes of each before its names
const LOCAL = { signature: 0x04034b50, length: 30 };
const ENTRY = { signature: 0x02014b50, length: 46 };
const END = { signature: 0x06054b50, length: 22 };
const LARGEST_MANIFEST = 64 << 20;
const MOST_MEMBERS = 1000;

/** Open an atlas file; `title` is what errors call it. */
export async function openSealed(file: Uint8Array, title: string): Promise<Parts> {
  const refuse = (sentence: string, places = {}) => new AtlasError(say(sentence, { atlas: title, ...places }));
  await checkSeal(file, refuse);
  const members = membersOf(file, refuse);
  const stated = members.get(MANIFEST);
  if (!stated) throw refuse(said.no_manifest, { member: MANIFEST });
  members.delete(MANIFEST);
  if (stated.length > LARGEST_MANIFEST) throw refuse(said.large_manifest, { bytes: stated.length });
  const manifest = new TextEncoder().encode(await withHash(stated, file, refuse));
  const parts = await openParts(async (name) => (name === MANIFEST ? manifest : members.get(name)!));
  const listed = [...parts.manifest.members.keys()];
  if (listed.length !== members.size || listed.some((name) => !members.has(name))) {
    throw refuse(said.other_members);
  }
  for (const [member, { sha256: hash }] of parts.manifest.members) {
    const found = await sha256(members.get(member)!);
    if (found !== null && found !== hash) throw refuse(said.other_hash, { member });
  }
  const lacking = NEEDED.filter((name) => !members.has(name));
  if (lacking.length) {
    throw refuse(format.unfit, { unfit: say(format.lacks, { members: lacking.join(", ") }) });
  }
  return parts;
}

type Refuse = (sentence: string, places?: Record<string, string | number>) => AtlasError;

async function checkSeal(file: Uint8Array, refuse: Refuse): Promise<void> {
  const comment = latin1(file.subarray(-COMMENT));
  const begins = file.length > END.length + COMMENT && uint32(file, 0) === LOCAL.signature;
  if (!begins || !comment.startsWith(SEAL)) throw refuse(said.not_whole);
  const found = await sha256(file.subarray(0, -64));
  if (found !== null && found !== comment.slice(SEAL.length)) throw refuse(said.broken_seal);
}

/** The manifest with the hash of the whole file, which a site adds too. */
async function withHash(stated: Uint8Array, file: Uint8Array, refuse: Refuse): Promise<string> {
  let values: unknown;
  try {
    values = JSON.parse(new TextDecoder().decode(stated));
  } catch {
    values = null;
  }
  if (typeof values !== "object" || values === null || Array.isArray(values)) throw refuse(format.not_json);
  return JSON.stringify({ ...values, sha256: (await sha256(file)) ?? "" });
}

/** The members by name: views of the file's bytes. */
function membersOf(file: Uint8Array, refuse: Refuse): Map<string, Uint8Array> {
  const end = file.length - COMMENT - END.length;
  const n = uint16(file, end + 10);
  if (uint32(file, end) !== END.signature) throw refuse(said.not_whole);
  if (n > MOST_MEMBERS) throw refuse(said.too_many, { members: n });
  const members = new Map<string, Uint8Array>();
  let at = uint32(file, end + 16);
  for (let i = 0; i < n; i++) {
    if (at + ENTRY.length > end || uint32(file, at) !== ENTRY.signature) throw refuse(said.not_whole);
    const [nName, nExtra, nComment] = [28, 30, 32].map((field) => uint16(file, at + field));
    const member = latin1(file.subarray(at + ENTRY.length, at + ENTRY.length + nName));
    if (member !== MANIFEST && !NAME.test(member)) throw refuse(said.foreign, { member: JSON.stringify(member) });
    if (members.has(member)) throw refuse(said.twice, { member });
    const [isPacked, isEncrypted] = [uint16(file, at + 10) !== 0, (uint16(file, at + 8) & 1) !== 0];
    if (isPacked || isEncrypted) throw refuse(said.packed, { member });
    const bytes = stored(file, at, member);
    if (!bytes) throw refuse(said.outside, { member });
    members.set(member, bytes);
    at += ENTRY.length + nName + nExtra + nComment;
  }
  return members;
}

/** The bytes of the member that an entry names; null where they are not there. */
function stored(file: Uint8Array, entry: number, member: string): Uint8Array | null {
  const [size, whole, local] = [20, 24, 42].map((field) => uint32(file, entry + field));
  if (size !== whole || local + LOCAL.length > file.length || uint32(file, local) !== LOCAL.signature) return null;
  const named = local + LOCAL.length + uint16(file, local + 26);
  const start = named + uint16(file, local + 28);
  const isNamed = latin1(file.subarray(local + LOCAL.length, named)) === member;
  return isNamed && start + size <= file.length ? file.subarray(start, start + size) : null;
}

function latin1(bytes: Uint8Array): string {
  return new TextDecoder("latin1").decode(bytes);
}

function uint16(bytes: Uint8Array, at: number): number {
  return bytes[at] | (bytes[at + 1] << 8);
}

function uint32(bytes: Uint8Array, at: number): number {
  return (uint16(bytes, at) | (uint16(bytes, at + 2) << 16)) >>> 0;
}
