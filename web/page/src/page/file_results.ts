/** The results of files that were brought, and what was known of them before. */

import { Results } from "../mapping/results";
import { counted } from "../words";
import type { Started } from "../worker/messages";

// more names than these are counted
const NAMED = 3;

export class FileResults extends Results {
  constructor(
    private readonly files: readonly string[],
    readonly started: Started,
  ) {
    super(started.nCells);
  }

  /** The files' names, or the first of them and how many more there are. */
  get fileName(): string {
    return inWords(this.files);
  }

  /** Without their kind, for the names of other files. */
  get title(): string {
    const [first, ...others] = this.files;
    const bare = first.replace(/\.(h5ad|h5|hdf5|mtx|mtx\.gz)$/i, "");
    return others.length ? `${bare}_and_${others.length}_more` : bare;
  }
}

export function inWords(files: readonly string[]): string {
  const rest = files.length - NAMED;
  const named = files.slice(0, NAMED).join(", ");
  return rest > 0 ? `${named} and ${counted(rest, "more file")}` : named;
}
