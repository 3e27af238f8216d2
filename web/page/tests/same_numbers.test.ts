/** The TypeScript path against the Python runtime, on cells that Python has mapped. */

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { describe, expect, test } from "vitest";

import { readTrajectory } from "../src/atlas/trajectory";
import { AtlasError, sentence } from "../src/errors";
import { openAtlas } from "../src/mapping/atlas";
import { provenance } from "../src/mapping/provenance";
import { DEFAULTS as PLAIN, type MapOptions } from "../src/mapping/options";
import { Results } from "../src/mapping/results";
import { verifyAtlas } from "../src/mapping/verify";
import { hdf5 } from "../src/sources/hdf5";
import { ratioOf } from "../src/mapping/spread";
import { findingsOf } from "../src/report/findings";
import { cautions, fit, lead } from "../src/report/sentences";
import { begun, writeH5ad } from "../src/writers/h5ad";
import { columnValues, compare, matrixValues, type Value } from "./compared";
import { FOLDER, has, type Mapped, mapFiles, parts, vectors } from "./vectors";

interface MappedCase {
  name: string;
  files: string[];
  options: Partial<MapOptions>;
  error: string | null;
  cells: string[];
  columns: Record<string, Value[]>;
  matrices: Record<string, Value[]>;
  notes: string[];
  /** Groups of cells unlike the atlas, in words. */
  novel: string[];
  /** What the report begins with, and its cautions: kind, title, text, and whether serious. */
  lead: string;
  cautions: [string, string, string, boolean][];
  /** Of the types, where there are any to name. */
  fit: string | null;
}

/** An atlas with another array in place of one, or none, and what Python says to it. */
interface ForgedCase {
  array: string;
  file: string | null;
  error: string;
}

const given = has("mapped.json");

function gathered({ blocks, cells }: Mapped): Results {
  const results = new Results(cells.length);
  for (const block of blocks) {
    results.add(block, cells.slice(block.start, block.start + block.nCells));
  }
  return results;
}

async function findingsIn(mapped: Mapped) {
  const { genes, place, coverage } = mapped.query;
  const all = await parts();
  return findingsOf(gathered(mapped), {
    manifest: all.manifest,
    queries: [
      {
        countsFrom: place.matrix.where,
        organism: genes.organism,
        nMatched: genes.nMatched,
        nPanel: genes.measured.length,
        coverage,
      },
    ],
    nReference: (await all.array("reference_label")).shape[0],
    spread: mapped.spread && ratioOf(mapped.spread),
  });
}

describe.skipIf(!given)("cells that Python has mapped", () => {
  const cases = given ? vectors<MappedCase[]>("mapped.json") : [];
  for (const expected of cases) {
    const options = { ...PLAIN, ...expected.options };
    for (const blockCells of [2048, 17]) {
      test(`${expected.name}, blocks of ${blockCells}`, async () => {
        if (expected.error !== null) {
          const said = await mapFiles(expected.files, options, blockCells).catch(sentence);
          expect(said).toBe(expected.error);
          return;
        }
        const mapped = await mapFiles(expected.files, options, blockCells);
        const { query, blocks, cells, novel } = mapped;
        expect(cells).toEqual(expected.cells);
        expect(query.notes).toEqual(expected.notes);
        for (const [name, values] of Object.entries(expected.columns)) {
          compare(name, columnValues(blocks, name), values);
        }
        for (const [name, values] of Object.entries(expected.matrices)) {
          compare(name, matrixValues(blocks, name), values);
        }
        expect(novel).toEqual(expected.novel);
        const findings = await findingsIn(mapped);
        expect(lead(findings).text).toBe(expected.lead);
        const told = cautions(findings).map(({ kind, title, text, serious }) => [kind, title.text, text.text, serious]);
        expect(told).toEqual(expected.cautions);
        expect(fit(findings)?.text.text ?? null).toBe(expected.fit);
      });
    }
  }

  test.each(given ? vectors<ForgedCase[]>("forged.json") : [])(
    "an atlas is refused for its $array",
    async ({ array, file, error }) => {
      const bytes = file === null ? null : new Uint8Array(readFileSync(join(FOLDER, file)));
      const opening = parts({ [`arrays/${array}.npy`]: bytes }).then(async (forged) => {
        await openAtlas(forged);
        await readTrajectory(forged);
      });
      await expect(opening).rejects.toThrow(new AtlasError(error));
    },
  );

  test("an h5ad for Python to read", async () => {
    const mapped = await mapFiles(["empty_cells.h5ad"], PLAIN, 60);
    const { query, cells } = mapped;
    const results = gathered(mapped);
    const [columns, matrices] = [[...results.columns.values()], [...results.matrices.values()]];
    const path = join(FOLDER, "page.h5ad");
    writeFileSync(path, begun(columns));
    const file = (await hdf5()).open(path, "a");
    const from = await parts();
    const uns = provenance([query], from.manifest, await readTrajectory(from), 1.5);
    await writeH5ad(file, { names: cells, columns, matrices, uns });
    file.close();
  });

  test("the canary passes, and fails when an answer is another", async () => {
    const given = await parts();
    const atlas = await openAtlas(given);
    expect((await verifyAtlas(atlas, given)).difference).toBeLessThan(1e-3);
    atlas.panel.mean[0] += 1;
    await expect(verifyAtlas(atlas, given)).rejects.toThrow("does not compute the answers");
  });
});
