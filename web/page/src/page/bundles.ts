/** Which of the files that were brought belong together: each bundle is a sample. */

import type { Bundle } from "../mapping/samples";
import { isMatrix, isPart } from "../sources/triples";

// files that hold cells and genes too
const CONTAINER = /\.(h5ad|h5mu|h5|hdf5|loom|h5seurat|rds)$/i;

/** Files that stand for themselves, and the parts of matrices of text. */
export function bundlesOf(files: readonly File[]): Bundle[] {
  const beside = files.some(({ name }) => isMatrix(name));
  const alone = files.filter(
    // whatever else lies beside a matrix is not looked at
    ({ name }) => !isMatrix(name) && !isPart(name) && (!beside || CONTAINER.test(name)),
  );
  const parts = files.filter((file) => !alone.includes(file));
  const bundles = bundlesOfParts(parts);
  const first = (bundle: Bundle) => Math.min(...bundle.files.map((file) => files.indexOf(file)));
  const all = [...alone.map((file): Bundle => ({ name: file.name, files: [file] })), ...bundles];
  return all.sort((a, b) => first(a) - first(b));
}

/** Matrices whose files begin with the name of their sample are told apart by it. */
function bundlesOfParts(parts: readonly File[]): Bundle[] {
  if (!parts.length) return [];
  const matrices = parts.filter(({ name }) => isMatrix(name));
  const together = { name: (matrices[0] ?? parts[0]).name, files: [...parts] };
  const prefixes = matrices.map(({ name }) => /^(.+?)matrix\.mtx(\.gz)?$/i.exec(name)?.[1] ?? "");
  if (matrices.length < 2 || new Set(prefixes).size < prefixes.length) return [together];
  const owned = prefixes.map((prefix) => parts.filter(({ name }) => prefix && name.startsWith(prefix)));
  if (owned.flat().length !== parts.length) return [together];
  return matrices.map(({ name }, i) => ({ name, files: owned[i] }));
}
