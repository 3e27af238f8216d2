/** Members of an atlas, fetched from the page's own folder and checked against their hashes. */

import { AtlasError } from "../errors";
import { ArrayCheck, checkPresence } from "./arrays";
import { type Manifest, readManifest } from "./manifest";
import { type NpyArray, parseNpy } from "./npy";

const MANIFEST = "manifest.json";

export type ReadPart = (name: string) => Promise<Uint8Array>;

export class Parts {
  private readonly arrays: ArrayCheck;

  constructor(
    readonly manifest: Manifest,
    private readonly read: ReadPart,
  ) {
    checkPresence(manifest, (name) => this.hasArray(name));
    this.arrays = new ArrayCheck(manifest);
  }

  hasArray(name: string): boolean {
    return this.manifest.members.has(`arrays/${name}.npy`);
  }

  /** The manifest as it was written. */
  async stated(): Promise<Record<string, unknown>> {
    return JSON.parse(new TextDecoder().decode(await this.read(MANIFEST))) as Record<string, unknown>;
  }

  async bytes(name: string): Promise<Uint8Array> {
    const stated = this.manifest.members.get(name);
    if (!stated) throw new AtlasError(`The atlas has no part ${name}.`);
    const bytes = await this.read(name);
    await checkHash(bytes, stated.sha256, name);
    return bytes;
  }

  /** An array, of the type and shape that the manifest and the other arrays ask for. */
  async array(name: string): Promise<NpyArray> {
    const where = `arrays/${name}.npy`;
    const array = parseNpy(await this.bytes(where), where);
    this.arrays.check(name, array);
    return array;
  }
}

export async function openParts(read: ReadPart): Promise<Parts> {
  const text = new TextDecoder().decode(await read(MANIFEST));
  return new Parts(readManifest(text), read);
}

// what an atlas holds for other programs than the page: the whole encoder and decoder are not needed
// where the tail is, nor who the reference cells were
const NETWORK = "encoder_tail.onnx";
/** What the atlas says of itself in Markdown. */
export const CARD = "README.md";
const UNREAD =
  /^arrays\/(reference_batch|reference_names|neighbor_centroids)\.npy$/;

/** Cells to try the page with, where a site has some. */
export const EXAMPLE = "example.h5ad";

/** Fetch what an atlas says of itself. */
export function fetchManifest(base: URL): Promise<Blob> {
  return fetched(new URL(MANIFEST, base), `The atlas part ${MANIFEST}`);
}

/** Fetch all members that the page reads, from the folder of an atlas, and the example cells; its
 * manifest too, unless it is here. */
export async function fetchParts(base: URL, here?: Blob): Promise<ReadonlyMap<string, Blob>> {
  const part = (name: string, hash: string) =>
    // an address that holds a hash is fetched once: what lies there never changes
    fetched(new URL(`${name}?v=${hash.slice(0, 16)}`, base), `The atlas part ${name}`);
  const stated = here ?? (await fetchManifest(base));
  const manifest = readManifest(await stated.text());
  const example: [string, { sha256: string }][] = manifest.example ? [[EXAMPLE, manifest.example]] : [];
  const members = [...manifest.members, ...example].filter(
    ([name]) => name === EXAMPLE || name === NETWORK || name === CARD || (name.startsWith("arrays/") && !UNREAD.test(name)),
  );
  const found = await Promise.all(
    members.map(async ([name, { sha256 }]) => [name, await part(name, sha256)] as const),
  );
  return new Map([[MANIFEST, stated], ...found]);
}

/** What lies at a URL, with a sentence when it is not there. */
export async function fetched(url: URL, what: string): Promise<Blob> {
  let response: Response;
  try {
    response = await fetch(url);
    if (response.ok) return await response.blob();
  } catch {
    throw new AtlasError(`${what} could not be fetched; check your connection.`);
  }
  throw new AtlasError(`${what} is not on this site (HTTP ${response.status}); publish it again.`);
}

/** Read parts that were fetched. */
export function partsIn(blobs: ReadonlyMap<string, Blob>): ReadPart {
  return async (name) => {
    const blob = blobs.get(name);
    if (!blob) throw new AtlasError(`The atlas part ${name} was not loaded; reload the page.`);
    return new Uint8Array(await blob.arrayBuffer());
  };
}

async function checkHash(bytes: Uint8Array, expected: string, name: string): Promise<void> {
  const found = await sha256(bytes);
  if (found !== null && found !== expected) {
    throw new AtlasError(`The atlas part ${name} is damaged; reload the page, or publish it again.`);
  }
}

/** SHA-256 in hexadecimal; null where nothing can be hashed. */
export async function sha256(bytes: Uint8Array): Promise<string | null> {
  // browsers offer hashing on https and on localhost only
  const subtle = globalThis.crypto?.subtle;
  if (!subtle) return null;
  const digest = new Uint8Array(await subtle.digest("SHA-256", bytes as BufferSource));
  return [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
