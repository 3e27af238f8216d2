/** The results of a file that was brought, and what was known of it before. */

import { Results } from "../mapping/results";
import type { Started } from "../worker/messages";

export class FileResults extends Results {
  constructor(
    readonly fileName: string,
    readonly started: Started,
  ) {
    super(started.nCells);
  }

  /** The file's name without its kind. */
  get title(): string {
    return this.fileName.replace(/\.(h5ad|h5|hdf5|mtx|mtx\.gz)$/i, "");
  }
}
