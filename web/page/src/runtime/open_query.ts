/** Whatever is brought as cells, opened. */

import { hdf5 } from "../sources/hdf5";
import { Mounts, readsAtOnce } from "../sources/mounted";
import { openFiles } from "../sources/open";
import type { Contents } from "../sources/source";
import { filesAt, node } from "./node";
import type { QuerySource } from "./types";

/** Cells that were opened, and how to let go of them. */
export interface Opened {
  contents: Contents;
  letGo(): void;
}

/** Open cells; bytes without a name are called so in errors. */
export async function openQuerySource(source: QuerySource, genome: string | null): Promise<Opened> {
  if (typeof source === "string") return onDisk(source, genome);
  const files = filesOf(source);
  const mounts = await Mounts.start();
  const whole = readsAtOnce() || files.length !== 1 ? null : new Uint8Array(await files[0].arrayBuffer());
  const mount = (file: File) => (whole ? mounts.whole(whole) : mounts.inRanges(file));
  return kept(openFiles(files, mount, genome), () => mounts.letGo());
}

function filesOf(source: Exclude<QuerySource, string>): readonly File[] {
  if (Array.isArray(source)) return source as readonly File[];
  if (source instanceof File) return [source];
  return [new File([source as BlobPart], "the query")];
}

async function onDisk(path: string, genome: string | null): Promise<Opened> {
  const files = await filesAt(path);
  const { open } = await hdf5();
  const whole = node()!.path.resolve(path);
  return kept(openFiles(files, () => open(whole), genome), () => undefined);
}

async function kept(opening: Promise<Contents>, letGo: () => void): Promise<Opened> {
  try {
    const contents = await opening;
    return {
      contents,
      letGo: () => {
        contents.close();
        letGo();
      },
    };
  } catch (error) {
    letGo();
    throw error;
  }
}
