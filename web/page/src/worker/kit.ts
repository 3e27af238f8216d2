/** All that mapping needs, fetched when the page opens and kept: nothing is fetched afterwards.
 *
 * A worker can be started again without the network, and what is fetched later would tell the
 * server something of the cells.
 */

import { fetchParts, fetched } from "../atlas/parts";
import { AtlasError } from "../errors";
import workerUrl from "./worker?worker&url";

/** What maps, whatever the atlas. */
export interface Engine {
  /** onnxruntime's WebAssembly. */
  wasm: Blob;
  startWorker(): Worker;
}

export interface Kit extends Engine {
  /** Members of the atlas by name. */
  parts: ReadonlyMap<string, Blob>;
}

export async function fetchKit(atlas: URL, wasmUrl: string): Promise<Kit> {
  const [parts, engine] = await Promise.all([fetchParts(atlas), fetchEngine(wasmUrl)]);
  return { ...engine, parts };
}

export async function fetchEngine(wasmUrl: string): Promise<Engine> {
  const here = (url: string) => new URL(url, document.baseURI);
  const [wasm, script] = await Promise.all([
    unpacked(here(wasmUrl), "onnxruntime's WebAssembly"),
    unpacked(here(workerUrl), "The worker of this page"),
  ]);
  // A worker from a file has only the policy that its server sends with it; one from a blob
  // inherits the page's, so that no site however served lets it talk to another host.
  const url = URL.createObjectURL(new Blob([script], { type: "text/javascript" }));
  return { wasm, startWorker: () => new Worker(url, { type: "module" }) };
}

/** What lies at a URL, unpacked: the build packs what is large, and some servers unpack it. */
export async function unpacked(url: URL, what: string): Promise<Blob> {
  const found = await fetched(url, what);
  const [first, second] = new Uint8Array(await found.slice(0, 2).arrayBuffer());
  if (first !== 0x1f || second !== 0x8b) return found;
  try {
    return await new Response(found.stream().pipeThrough(new DecompressionStream("gzip"))).blob();
  } catch {
    throw new AtlasError(`${what} did not come whole; reload the page.`);
  }
}
