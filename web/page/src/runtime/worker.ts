/** The same in a worker of a browser, so that the page stays free meanwhile. */

import { AtlasError, InputError, sentence } from "../errors";
import type { Counts } from "../sources/memory";
import { mapCounts, mapFile } from "./map";
import { openAtlas } from "./open_atlas";
import type { Atlas, AtlasSource, Mapping, Options, Progress, QuerySource } from "./types";

type Plain = Omit<Options, "onProgress">;
type Ask =
  | { kind: "atlas"; source: AtlasSource }
  | { kind: "file"; atlas: number; source: QuerySource; options: Plain }
  | { kind: "counts"; atlas: number; counts: Counts; options: Plain };
type Told =
  | { kind: "progress"; progress: Progress }
  | { kind: "done"; found: unknown }
  | { kind: "failed"; ofAtlas: boolean; sentence: string };

interface Numbered<T> {
  id: number;
  said: T;
}

interface Waiting {
  resolve(found: unknown): void;
  reject(error: Error): void;
  onProgress?: (progress: Progress) => void;
}

/** What a worker does, under the names and with the answers of the functions of this package. */
export interface InWorker {
  openAtlas(source: AtlasSource): Promise<Atlas>;
  mapFile(atlas: Atlas, source: QuerySource, options?: Options): Promise<Mapping>;
  mapCounts(atlas: Atlas, counts: Counts, options?: Options): Promise<Mapping>;
  /** Give up whatever is going on. */
  terminate(): void;
}

/**
 * Start a worker, or take one whose script calls `answerPage`, as bundlers make it. Without one, the
 * page's import map has to name this package and what it needs.
 */
export async function startWorker(given?: Worker): Promise<InWorker> {
  const worker = given ?? new Worker(await ownScript(), { type: "module" });
  const waiting = new Map<number, Waiting>();
  const numbers = new WeakMap<Atlas, number>();
  let asked = 0;

  function giveUp(why: string): void {
    for (const { reject } of waiting.values()) reject(new InputError(why));
    waiting.clear();
  }

  function ask<T>(said: Ask, onProgress?: Waiting["onProgress"]): Promise<T> {
    const id = ++asked;
    return new Promise<T>((resolve, reject) => {
      waiting.set(id, { resolve: (found) => resolve(found as T), reject, onProgress });
      worker.postMessage({ id, said } satisfies Numbered<Ask>);
    });
  }

  function numberOf(atlas: Atlas): number {
    const found = numbers.get(atlas);
    if (found === undefined) throw new InputError("This atlas is not open in the worker; use its openAtlas.");
    return found;
  }

  worker.onmessage = ({ data }: MessageEvent<Numbered<Told>>) => hear(data, waiting);
  worker.onerror = ({ message }) => giveUp(`The worker could not go on (${message || "it did not start"}).`);
  return {
    openAtlas: async (source) => {
      const place = typeof source === "string" || source instanceof URL ? new URL(source, location.href).href : source;
      const id = asked + 1;
      const atlas = await ask<Atlas>({ kind: "atlas", source: place });
      numbers.set(atlas, id);
      return atlas;
    },
    mapFile: async (atlas, source, { onProgress, ...options } = {}) =>
      ask<Mapping>({ kind: "file", atlas: numberOf(atlas), source, options }, onProgress),
    mapCounts: async (atlas, counts, { onProgress, ...options } = {}) =>
      ask<Mapping>({ kind: "counts", atlas: numberOf(atlas), counts, options }, onProgress),
    terminate: () => {
      worker.terminate();
      giveUp("Stopped.");
    },
  };
}

function hear({ id, said }: Numbered<Told>, waiting: Map<number, Waiting>): void {
  const one = waiting.get(id);
  if (!one) return;
  if (said.kind === "progress") return one.onProgress?.(said.progress);
  waiting.delete(id);
  if (said.kind === "done") one.resolve(said.found);
  else one.reject(said.ofAtlas ? new AtlasError(said.sentence) : new InputError(said.sentence));
}

/**
 * This very module as the script of a worker. Import maps do not hold in workers, so its imports are
 * written out as the addresses that the page's map leads to.
 */
async function ownScript(): Promise<string> {
  const own = await (await fetch(import.meta.url)).text();
  const script = own.replace(/^(import\b[^\n]*\bfrom\s*)"([^"./][^"]*)"/gm, (_, from: string, name: string) => {
    return `${from}"${import.meta.resolve(name)}"`;
  });
  return URL.createObjectURL(new Blob([script, "\nanswerPage();\n"], { type: "text/javascript" }));
}

/** Within a worker: answer the page that started it, one question at a time. */
export function answerPage(): void {
  const atlases = new Map<number, Atlas>();
  let before: Promise<void> = Promise.resolve();
  self.onmessage = ({ data: { id, said } }: MessageEvent<Numbered<Ask>>) => {
    const tell = (told: Told) => self.postMessage({ id, said: told } satisfies Numbered<Told>);
    before = before.then(async () => {
      try {
        const found = await answer(id, said, atlases, (progress) => tell({ kind: "progress", progress }));
        tell({ kind: "done", found });
      } catch (error) {
        tell({ kind: "failed", ofAtlas: error instanceof AtlasError, sentence: sentence(error) });
      }
    });
  };
}

async function answer(
  id: number,
  said: Ask,
  atlases: Map<number, Atlas>,
  onProgress: (progress: Progress) => void,
): Promise<Atlas | Mapping> {
  if (said.kind === "atlas") {
    const atlas = await openAtlas(said.source);
    atlases.set(id, atlas);
    return atlas;
  }
  const atlas = atlases.get(said.atlas)!;
  const options = { ...said.options, onProgress };
  return said.kind === "file" ? mapFile(atlas, said.source, options) : mapCounts(atlas, said.counts, options);
}
