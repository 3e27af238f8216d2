/** Files of many kinds, read or refused as the Python runtime does. */

import { readFileSync } from "node:fs";
import { basename, join } from "node:path";

import { describe, expect, test } from "vitest";

import { sentence } from "../src/errors";
import { hdf5 } from "../src/sources/hdf5";
import { openFiles } from "../src/sources/open";
import { FOLDER, has, vectors } from "./vectors";

interface FileCase {
  name: string;
  files: string[];
  genome: string | null;
  error: string | null;
  notes: string[];
  cells: string[];
  columns: Record<string, string[]>;
  /** Sum of each cell and of each gene. */
  totals: number[];
  sums: number[];
}

describe.skipIf(!has("files.json"))("files that Python has opened", () => {
  test.each(has("files.json") ? vectors<FileCase[]>("files.json") : [])("$name", async (expected) => {
    const opening = opened(expected.files, expected.genome);
    if (expected.error?.includes(" claims ")) {
      // the library in the page has 2 GB at most, fails and says so in its own words
      expect(await opening.then(() => "nothing", sentence)).toMatch(/the file is damaged/);
      return;
    }
    if (expected.error !== null) {
      expect(await opening.then(() => "nothing", sentence)).toBe(expected.error);
      return;
    }
    const { contents, matrix, columns, totals, sums } = await opening;
    expect(contents.notes).toEqual(expected.notes);
    expect(contents.cells.index(0, matrix.nCells)).toEqual(expected.cells);
    expect(Object.fromEntries(columns)).toEqual(expected.columns);
    expect(totals).toEqual(expected.totals);
    expect(sums).toEqual(expected.sums);
  });
});

async function opened(names: readonly string[], genome: string | null) {
  const { open } = await hdf5();
  const files = names.map((name) => new File([readFileSync(join(FOLDER, name))], basename(name)));
  const contents = await openFiles(files, () => open(join(FOLDER, names[0])), genome);
  const { matrix, genes } = [...contents.places.values()][0]();
  const totals: number[] = [];
  const sums = new Array<number>(matrix.nGenes).fill(0);
  for await (const block of matrix.blocks(7)) {
    for (let cell = 0; cell < block.nCells; cell++) {
      let total = 0;
      for (let at = block.indptr[cell]; at < block.indptr[cell + 1]; at++) {
        total += block.data[at];
        sums[block.indices[at]] += block.data[at];
      }
      totals.push(total);
    }
  }
  return { contents, matrix, columns: genes(), totals, sums };
}
