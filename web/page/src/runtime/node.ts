/** Files of the disk, where there is one: Node's modules, asked for without importing them. */

import type * as Fs from "node:fs";
import type * as Path from "node:path";

import { firstLine, InputError } from "../errors";

interface Node {
  fs: typeof Fs;
  path: typeof Path;
}

/** Null in browsers. */
export function node(): Node | null {
  const { process } = globalThis as { process?: NodeJS.Process };
  if (typeof process?.getBuiltinModule !== "function") return null;
  return { fs: process.getBuiltinModule("node:fs"), path: process.getBuiltinModule("node:path") };
}

/** The files that lie at a path: itself, or those in the folder. They are read as they are needed. */
export async function filesAt(path: string): Promise<File[]> {
  const found = node();
  if (!found) throw new InputError("A browser reads no paths; give a File.");
  const { fs, path: paths } = found;
  const named = async (file: string) => new File([await fs.openAsBlob(file)], paths.basename(file));
  if (!fs.existsSync(path)) throw new InputError(`There is no ${path}.`);
  try {
    if (!fs.statSync(path).isDirectory()) return [await named(path)];
    const inside = fs.readdirSync(path, { withFileTypes: true }).filter((one) => one.isFile());
    return await Promise.all(inside.map(({ name }) => named(paths.join(path, name))));
  } catch (error) {
    throw new InputError(`${path} cannot be read (${firstLine(error)}).`);
  }
}
