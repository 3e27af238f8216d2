/** Damaged files are refused where Python refuses them; what is read is what Python reads. */

import { readFileSync } from "node:fs";
import { basename, join } from "node:path";

import { describe, expect, test } from "vitest";

import { InputError } from "../src/errors";
import { checkBlock, chooseCounts } from "../src/sources/gate";
import { hdf5 } from "../src/sources/hdf5";
import { openFiles } from "../src/sources/open";
import type { Frame } from "../src/sources/source";
import { FOLDER, has, vectors } from "./vectors";

interface Case {
  name: string;
  files: string[];
  error: string | null;
  cells: string[];
  genes: Record<string, string[]>;
  totals: (number | null)[];
  sums: (number | null)[];
}

const given = has("damaged.json");

describe.skipIf(!given)("damaged files", () => {
  test.each(given ? vectors<Case[]>("damaged.json") : [])("$files $name", async (expected) => {
    const found = await decided(expected.files);
    if (typeof found === "string" || expected.error !== null) {
      expect([expected.error, found]).toEqual([expect.any(String), expect.any(String)]);
      expect(found).toMatch(/^(\d+\.h5|\w+\.\w+\.gz)[ ,:]/);
      expect(found).not.toMatch(/HDF5-DIAG|memory access|unreachable|Aborted|Something failed/);
      return;
    }
    const { cells, genes, totals, sums } = expected;
    expect(found).toEqual({ cells, genes, totals, sums });
  });
});

async function decided(names: readonly string[]) {
  const files = names.map((name) => new File([readFileSync(join(FOLDER, name))], basename(name)));
  const { open } = await hdf5();
  try {
    const contents = await openFiles(files, () => open(join(FOLDER, names[0])));
    try {
      const { title, places } = contents;
      const { matrix, genes } = (await chooseCounts(title, places)).place;
      const totals = new Float64Array(matrix.nCells);
      const sums = new Float64Array(matrix.nGenes);
      for await (const read of matrix.blocks(1000)) {
        const block = checkBlock(read, matrix.where);
        for (let cell = 0; cell < block.nCells; cell++) {
          for (let at = block.indptr[cell]; at < block.indptr[cell + 1]; at++) {
            totals[block.start + cell] += block.data[at];
            sums[block.indices[at]] += block.data[at];
          }
        }
      }
      contents.cells.columns.forEach((name) => readOrRefused(contents.cells, name));
      return {
        cells: contents.cells.index(0, matrix.nCells),
        genes: Object.fromEntries(genes()),
        totals: Array.from(totals, orNull),
        sums: Array.from(sums, orNull),
      };
    } finally {
      contents.close();
    }
  } catch (error) {
    if (error instanceof InputError) return error.message;
    throw error;
  }
}

/** Columns that only colour the map are read when they are asked for. */
function readOrRefused(cells: Frame, name: string): void {
  try {
    cells.column(name);
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
  }
}

function orNull(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}
