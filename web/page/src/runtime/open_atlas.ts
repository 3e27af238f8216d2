/** An atlas, opened. */

import { panelNames } from "../atlas/manifest";
import { CARD, fetched, type Parts } from "../atlas/parts";
import { openSealed } from "../atlas/sealed";
import { openAtlas as openEngine } from "../mapping/atlas";
import { verifyAtlas } from "../mapping/verify";
import { engines } from "./engines";
import { filesAt, node } from "./node";
import type { Atlas, AtlasSource } from "./types";

/**
 * Open an atlas, check every byte that is read of it, and map its test cells, of which the answers
 * are known.
 *
 * @throws AtlasError: it is damaged, or of a format that this version does not read.
 */
export async function openAtlas(source: AtlasSource): Promise<Atlas> {
  const [bytes, title] = await atlasBytes(source);
  const parts = await openSealed(bytes, title);
  const engine = await openEngine(parts);
  const verified = await verifyAtlas(engine, parts);
  const atlas = await factsOf(parts, verified);
  engines.set(atlas, engine);
  return atlas;
}

async function factsOf(parts: Parts, verified: Atlas["verified"]): Promise<Atlas> {
  const { name, organism, sha256, labels, parents } = parts.manifest;
  const card = new TextDecoder().decode(await parts.bytes(CARD));
  const { cells, difference } = verified;
  const manifest = await parts.stated();
  const genes = panelNames(parts.manifest);
  return { name, organism, sha256, labels, parents, genes, manifest, card, verified: { cells, difference } };
}

async function atlasBytes(source: AtlasSource): Promise<[Uint8Array, string]> {
  const title = "The atlas";
  // a Buffer of Node is one too, but slices of it are no copies
  if (source instanceof Uint8Array) return [new Uint8Array(source.buffer, source.byteOffset, source.length), title];
  if (source instanceof ArrayBuffer) return [new Uint8Array(source), title];
  const blob = source instanceof Blob ? source : await found(source);
  return [new Uint8Array(await blob.arrayBuffer()), blob instanceof File ? blob.name : title];
}

/** What lies at an address, or under Node at a path. */
async function found(source: URL | string): Promise<Blob> {
  const isWeb = /^(https?|blob|data):/.test(String(source));
  if (!isWeb && node()) {
    const path = String(source).startsWith("file:") ? decodeURIComponent(new URL(source).pathname) : String(source);
    return (await filesAt(path))[0];
  }
  const base = (globalThis as { location?: Location }).location?.href;
  return fetched(new URL(source, base), `The atlas ${String(source)}`);
}
