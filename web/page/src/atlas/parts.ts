/** Members of an atlas, fetched from the page's own folder and checked against their hashes. */

import { AtlasError } from "../errors";
import { ArrayCheck, checkPresence } from "./arrays";
import { type Manifest, readManifest } from "./manifest";
import { type NpyArray, parseNpy } from "./npy";

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
  const text = new TextDecoder().decode(await read("manifest.json"));
  return new Parts(readManifest(text), read);
}

/** Read parts below a URL, with a sentence when one is not there. */
export function partsAt(base: URL): ReadPart {
  return async (name) => {
    let response: Response;
    try {
      response = await fetch(new URL(name, base));
    } catch {
      throw new AtlasError(`The atlas part ${name} could not be fetched; check your connection.`);
    }
    if (!response.ok) {
      throw new AtlasError(
        `The atlas part ${name} is not on this site (HTTP ${response.status}); publish it again.`,
      );
    }
    return new Uint8Array(await response.arrayBuffer());
  };
}

async function checkHash(bytes: Uint8Array, expected: string, name: string): Promise<void> {
  // browsers offer hashing on https and on localhost only
  const subtle = globalThis.crypto?.subtle;
  if (!subtle) return;
  const digest = new Uint8Array(await subtle.digest("SHA-256", bytes as BufferSource));
  const found = [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  if (found !== expected) {
    throw new AtlasError(`The atlas part ${name} is damaged; reload the page, or publish it again.`);
  }
}
