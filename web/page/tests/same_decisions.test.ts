/** Gene matching and the raw-count gate against the Python runtime. */

import { join } from "node:path";

import { describe, expect, test } from "vitest";

import { ArrayCheck } from "../src/atlas/arrays";
import { type Manifest, readManifest } from "../src/atlas/manifest";
import { parseNpy } from "../src/atlas/npy";
import { AtlasError } from "../src/errors";
import { matchGenes, type Panel } from "../src/genes/match";
import { previousSymbols } from "../src/genes/previous";
import { findCentres, nearestCentre } from "../src/mapping/centres";
import { drawn, shuffled } from "../src/mapping/random";
import { clustering, placing } from "../src/mapping/annotate/structure";
import { openAnndata } from "../src/sources/anndata";
import { classify } from "../src/sources/content";
import { hdf5 } from "../src/sources/hdf5";
import { FOLDER, has, vectors } from "./vectors";

interface GeneCase {
  name: string;
  columns: Record<string, string[]>;
  organism: string | null;
  /** Another one than that of all. */
  panel?: Panel;
  error: string | null;
  match: Record<string, unknown> | null;
}

/** A manifest of which one field is changed, or taken away, and what Python says to it. */
interface ManifestCase {
  field: string;
  values: [unknown] | null;
  error: string | null;
}

/** An array as it is or spoilt, and what Python says to it. */
interface ArrayCase {
  name: string;
  npy: string;
  error: string | null;
}

interface GateCase {
  values: number[];
  cells: number[] | null;
  genes: number;
  content: string;
}

interface CentreCases {
  draws: number[];
  order: number[];
  cases: { width: number; n: number; latent: number[]; centres: number[]; nearest: number[] }[];
}

interface StructureCase {
  structure: Manifest["structure"];
  library: number[];
  answers: Record<string, { width: number; data: number[] }>;
  columns: Record<string, (string | number | null)[]>;
  fate: (number | null)[] | null;
}

const given = has("genes.json");

const previous = previousSymbols();

describe.skipIf(!given)("decisions that Python has made", () => {
  const genes = given
    ? vectors<{ panel: Panel; cases: GeneCase[] }>("genes.json")
    : { panel: { symbols: [], ensembl: [] }, cases: [] };
  for (const { name, columns, organism, panel, error, match } of genes.cases) {
    test(`genes: ${name}`, () => {
      const matching = () =>
        matchGenes(new Map(Object.entries(columns)), panel ?? genes.panel, { organism, previous });
      if (error !== null) {
        expect(matching).toThrow(error);
        return;
      }
      const found = matching();
      expect({
        panel_column: [...found.panelColumn],
        column: found.column,
        organism: found.organism,
        by_rule: found.byRule,
        n_duplicated: found.nDuplicated,
        ambiguous: found.ambiguous,
        missing: found.missing,
        warnings: found.warnings,
      }).toEqual(match);
    });
  }

  test("groups are made of the same cells", () => {
    const { draws, order, cases } = vectors<CentreCases>("centres.json");
    const random = drawn();
    expect(draws.map(() => random.next().value)).toEqual(draws);
    expect([...shuffled(order.length)]).toEqual(order);
    for (const { width, n, latent, centres, nearest } of cases) {
      const rows = { width, values: Float32Array.from(latent) };
      const found = findCentres(rows, n, () => undefined);
      expect([...nearestCentre(found, rows, () => undefined)]).toEqual(nearest);
      found.values.forEach((value, i) => expect(value).toBeCloseTo(centres[i], 4));
    }
  });

  test("clusters, edges and pseudotime are read alike", () => {
    for (const expected of vectors<StructureCase[]>("structure.json")) {
      const answers = new Map(
        Object.entries(expected.answers).map(([name, { width, data }]) => [
          name,
          { width, data: Float32Array.from(data) },
        ]),
      );
      const { clusters = [], trajectory: graph = null } = expected.structure ?? {};
      const adding = [
        ...(clusters.length ? [clustering(clusters)] : []),
        ...(graph ? [placing(graph)] : []),
      ];
      const cells = { answers, library: Float64Array.from(expected.library) };
      const added = adding.map((annotate) => annotate(cells));
      const matrices = added.flatMap((one) => one.matrices ?? []);
      const found = added.flatMap((one) => one.columns).map((column) => [
        column.name,
        column.kind === "category"
          ? Array.from(column.values, (code) => column.categories[code] ?? null)
          : Array.from(column.values, orNull),
      ]);
      expect(Object.fromEntries(found)).toEqual(expected.columns);
      expect(matrices.length ? Array.from(matrices[0].values, orNull) : null).toEqual(expected.fate);
    }
  });

  test("manifests are read and refused alike", () => {
    const { base, cases } = vectors<{ base: object; cases: ManifestCase[] }>("manifests.json");
    for (const { field, values, error } of cases) {
      const changed = structuredClone(base) as Record<string, unknown>;
      const path = field.split(".");
      const last = path.pop()!;
      const inner = path.reduce((at, part) => at[part] as Record<string, unknown>, changed);
      // what is undefined is not written
      inner[last] = values?.[0];
      const said = refusalOf(() => readManifest(JSON.stringify(changed)));
      expect(said, `${field}: ${JSON.stringify(values)}`).toBe(error);
    }
  });

  test("arrays are taken and refused alike", () => {
    const { base } = vectors<{ base: object }>("manifests.json");
    const manifest = readManifest(JSON.stringify(base));
    for (const { name, npy, error } of vectors<ArrayCase[]>("arrays.json")) {
      const array = parseNpy(new Uint8Array(Buffer.from(npy, "base64")), name);
      expect(refusalOf(() => new ArrayCheck(manifest).check(name, array)), name).toBe(error);
    }
  });

  test("the gate judges values alike", () => {
    const cases = vectors<GateCase[]>("gate.json");
    const found = cases.map(({ values, cells, genes }) =>
      classify(
        {
          values: Float32Array.from(values),
          cells: cells && Int32Array.from(cells),
          // whole rows, as they were drawn
          genes: cells && Int32Array.from(values, (_, i) => i % genes),
        },
        genes,
      ),
    );
    expect(found).toEqual(cases.map(({ content }) => content));
  });
});

describe.skipIf(!given)("columns of every kind", () => {
  const expected = given ? vectors<Record<string, (string | number | boolean | null)[]>>("columns.json") : {};
  test.each(Object.keys(expected))("%s", async (name) => {
    const { open } = await hdf5();
    const contents = openAnndata(open(join(FOLDER, "columns.h5ad")), "columns.h5ad");
    expect(contents.cells.columns).toContain(name);
    const column = contents.cells.column(name);
    const wanted = expected[name].map((value) => {
      if (column.kind === "number") return value === null ? null : Math.fround(Number(value));
      if (typeof value === "boolean") return value ? "True" : "False";
      return value;
    });
    expect(
      column.kind === "number"
        ? Array.from(column.values, orNull)
        : column.kind === "text"
          ? column.values
          : Array.from(column.codes, (code) => column.categories[code] ?? null),
    ).toEqual(wanted);
    contents.close();
  });
});

function refusalOf(attempt: () => unknown): string | null {
  try {
    attempt();
  } catch (failure) {
    return failure instanceof AtlasError ? failure.message : String(failure);
  }
  return null;
}

function orNull(value: number): number | null {
  return Number.isNaN(value) ? null : value;
}
