/** Pieces that need no atlas. */

import { describe, expect, test, vi } from "vitest";

import { buildTree, callDeepest } from "../src/atlas/label_tree";
import type { Graph } from "../src/atlas/manifest";
import { parseNpy } from "../src/atlas/npy";
import { noveltyP } from "../src/atlas/novelty_table";
import { say } from "../src/decisions";
import type { ResultColumn } from "../src/mapping/columns";
import { numbered } from "../src/mapping/consensus/labels_alike";
import { averageLinkage } from "../src/mapping/linkage";
import { Results } from "../src/mapping/results";
import { columnOf, columnsOf, Joining, nameSuffixes } from "../src/mapping/samples";
import { bundlesOf } from "../src/page/bundles";
import { filesOf } from "../src/page/dropped";
import { isInside } from "../src/page/map/map_view";
import { coursesOf } from "../src/page/map/trajectory";
import { ReadAhead } from "../src/sources/read_ahead";
import { type Column, type Frame, type Matrix, split, withoutZeros } from "../src/sources/source";
import { spreadRead } from "../src/sources/spread_cells";
import { parseTriplets } from "../src/sources/triplets";
import { beyondMeasured, MEASURED_CELLS, percent } from "../src/words";
import { Watchdog } from "../src/worker/watchdog";
import { csvParts } from "../src/writers/csv";
import { seeded } from "./random.mjs";

const bytes = (text: string) => new TextEncoder().encode(text);

test("arrays of numbers are read, others refused", () => {
  const header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 1), }";
  const file = (text: string, body: Uint8Array) =>
    Uint8Array.from([0x93, ...bytes("NUMPY"), 1, 0, text.length, 0, ...bytes(text), ...body]);
  const body = new Uint8Array(Float32Array.of(1.5, -2).buffer);
  expect(parseNpy(file(header, body), "a")).toEqual({
    dtype: "float32",
    shape: [2, 1],
    data: Float32Array.of(1.5, -2),
  });
  expect(() => parseNpy(file(header, body.subarray(1)), "a")).toThrow("size");
  expect(() => parseNpy(file(header.replace("<f4", "|O"), body), "a")).toThrow("plain array");
  expect(() => parseNpy(bytes("no array"), "a")).toThrow("begin");
});

test("novelty between the table's scores, and no further than its ends", () => {
  const table = {
    logP: Float64Array.of(1, Math.fround(0.1), Math.fround(1e-6)).map(Math.log),
    share: Float32Array.of(1),
    depth: [Float32Array.of(5, 7)],
    score: [[Float32Array.of(0, 2, 4), Float32Array.of(0, 4, 8)]],
  };
  const p = (score: number, depth: number) => noveltyP(table, score, Math.expm1(depth), 1);
  expect(p(2, 5)).toBeCloseTo(0.1, 5);
  expect(p(2, 6)).toBeCloseTo(Math.sqrt(0.1 * Math.sqrt(0.1)), 5);
  expect([p(-1, 5), p(9, 5)]).toEqual([1, Math.fround(1e-6)].map((v) => expect.closeTo(v, 9)));
});

test("entries of a matrix are read, and the line named that is none", () => {
  const good = parseTriplets(bytes("1 2 3\n\n 4\t5 1.5e1\r\n6 7 -1\n"), true);
  expect([good.n, good.fault]).toEqual([3, -1]);
  expect([...good.values.subarray(0, 3)]).toEqual([3, 15, -1]);
  expect([...good.columns.subarray(0, 3)]).toEqual([2, 5, 7]);
  const text = "1 2 3\n1 two 3\n";
  expect(parseTriplets(bytes(text), true).fault).toBe(6);
  expect(parseTriplets(bytes("1 2 3 4\n"), true).fault).toBe(0);
  expect(parseTriplets(bytes("1 2\n"), true).fault).toBe(0);
});

test("blocks cut smaller hold the same values", () => {
  const dense = Float32Array.from({ length: 60 }, (_, i) => (i % 3 ? 0 : i));
  const whole = withoutZeros(dense, 6, 0);
  const parts = [...split(whole, 3)];
  expect(parts.map((part) => part.start)).toEqual([0, 3, 6, 9]);
  expect(parts.flatMap((part) => [...part.data])).toEqual([...whole.data]);
  expect(parts.every((part) => part.indptr[0] === 0)).toBe(true);
});

describe("average linkage", () => {
  const values = Float32Array.of(0, 0.1, 5, 5.2, 5.1, 20);
  const rows = [0, 1, 2, 3, 4, 5];
  test("joins what lies closer than the cut", () => {
    expect([...averageLinkage(values, rows, 1, 1)]).toEqual([0, 0, 1, 1, 1, 2]);
    expect([...averageLinkage(values, rows, 1, 6)]).toEqual([0, 0, 0, 0, 0, 1]);
    expect([...averageLinkage(values, rows, 1, 100)]).toEqual([0, 0, 0, 0, 0, 0]);
    expect([...averageLinkage(values, [3], 1, 1)]).toEqual([0]);
  });
  test("is by the mean distance, not the nearest", () => {
    // a chain: neighbours are 1 apart, its two halves 2.5 on average or more
    const chain = Float32Array.from({ length: 8 }, (_, i) => i);
    const joined = averageLinkage(chain, [0, 1, 2, 3, 4, 5, 6, 7], 1, 2.2);
    expect(new Set(joined).size).toBeGreaterThan(1);
  });
});

test("calls go as deep as they are sure", () => {
  const above = new Map([["NK", "NK / T"], ["T", "NK / T"]]); // prettier-ignore
  const tree = buildTree(["B", "NK", "T"], above);
  const call = (prob: number[], best: number) =>
    [...tree.nodes, "unknown"][callDeepest(tree, Float32Array.from(prob), best, 0.5)];
  expect(call([0.1, 0.1, 0.8], 2)).toBe("T");
  expect(call([0.3, 0.3, 0.4], 2)).toBe("NK / T");
  expect(call([0.4, 0.3, 0.3], 0)).toBe("unknown");
  const circle = new Map([["a", "b"], ["b", "a"]]); // prettier-ignore
  expect(() => buildTree(["a"], circle)).toThrow("its own ancestor");
  // a name that every object has is a name like others
  expect(buildTree(["constructor"], new Map()).nodes).toEqual(["constructor"]);
});

test("a line round cells holds those inside", () => {
  const outline: [number, number][] = [[0, 0], [4, 0], [4, 4], [2, 1], [0, 4]]; // prettier-ignore
  expect(isInside(outline, 1, 1)).toBe(true);
  expect(isInside(outline, 2, 3)).toBe(false);
  expect(isInside(outline, 5, 1)).toBe(false);
});

test("the table quotes names, leaves missing values empty, and gives floats back", () => {
  const results = new Results(2);
  results.add(
    {
      start: 0,
      nCells: 2,
      columns: [
        { name: "call", kind: "category", categories: ['T, "naive"'], values: Int32Array.of(0, -1) },
        { name: "prob", kind: "float", values: Float32Array.of(0.1, NaN) },
        { name: "novel", kind: "bool", values: Uint8Array.of(1, 0) },
      ],
      matrices: [{ name: "X", width: 1, values: Float32Array.of(1 / 3, NaN) }],
    },
    ["one", "two"],
  );
  expect([...csvParts(results)].join("")).toBe(
    'cell,call,prob,novel,X_0\none,"T, ""naive""",0.1,True,0.333333343\ntwo,,,False,nan\n',
  );
  expect([...csvParts(results, [1])].join("").split("\n")[1]).toBe("two,,,False,nan");
});

test("before what a spreadsheet would run stands an apostrophe", () => {
  const names = ["=1+1", "@SUM(A1)", "+cmd", "-2+3", "\t=1", "-1\n", "'x", "-1.5", "-", "T"];
  const results = new Results(names.length);
  results.add({ start: 0, nCells: names.length, columns: [], matrices: [] }, names);
  const told = [...csvParts(results)].join("");
  expect(told).toBe(
    "cell\n'=1+1\n'@SUM(A1)\n'+cmd\n'-2+3\n'\t=1\n\"'-1\n\"\n'x\n-1.5\n-\nT\n",
  );
});

describe("what is dropped", () => {
  const file = (name: string) =>
    ({ name, isFile: true, file: (done: (file: File) => void) => done(new File(["x"], name)) }) as unknown;
  const folder = (name: string, inside: unknown[]) =>
    ({
      name,
      createReader: () => {
        const batches = [inside.slice(0, 2), inside.slice(2)];
        return { readEntries: (done: (some: unknown) => void) => done(batches.shift() ?? []) };
      },
    }) as FileSystemDirectoryEntry;

  test("a 10x folder gives its three files", async () => {
    const names = ["notes.txt", "s1_matrix.mtx.gz", "s1_features.tsv.gz", "s1_barcodes.tsv.gz"];
    const found = await filesOf(folder("sample", names.map(file)));
    expect(found.map(({ name }) => name)).toEqual(names.slice(1));
  });

  test("other folders are refused with what to do", async () => {
    await expect(filesOf(folder("a.zarr", []))).rejects.toThrow("read_zarr(...).write_h5ad(...)");
    await expect(filesOf(folder("a", [file(".zgroup")]))).rejects.toThrow("is a zarr store");
    await expect(filesOf(folder("a", [file("b.txt")]))).rejects.toThrow("holds no matrix.mtx.gz");
  });
});

test("without the atlas's own, a trajectory runs through the cells on it", () => {
  const n = 60;
  const results = new Results(n);
  // cells along x of the edge a -> b, and two on the edge b -> c, too few for a line
  const edge = Int32Array.from({ length: n }, (_, i) => (i < n - 2 ? 0 : 1));
  const fraction = Float32Array.from({ length: n }, (_, i) => (i % 58) / 57);
  const places = Float32Array.from({ length: 2 * n }, (_, k) => (k % 2 ? 3 : 10 * fraction[k >> 1]));
  const edges = ["a -> b", "b -> c"];
  const block = {
    start: 0,
    nCells: n,
    columns: [
      { name: "cellport_edge", kind: "category", categories: edges, values: edge },
      { name: "cellport_edge_fraction", kind: "float", values: fraction },
    ] as ResultColumn[],
    matrices: [{ name: "X_cellport_umap", width: 2, values: places }],
  };
  results.add(block, []);
  const milestones = ["a", "b", "c"];
  const graph: Graph = { milestones, edges: [[0, 1], [1, 2]], terminals: [2], root_from: [] }; // prettier-ignore
  const courses = coursesOf(results, graph);
  expect(courses.map(({ from, to }) => [from, to])).toEqual([["a", "b"]]);
  const { points } = courses[0];
  expect(points[0]).toBeLessThan(1);
  expect(points[8]).toBeCloseTo(5, 1);
  expect(points[16]).toBeGreaterThan(9);
  expect([...points].filter((_, k) => k % 2).every((y) => Math.abs(y - 3) < 1e-4)).toBe(true);
});

test("sentences are filled as Python fills them", () => {
  expect(say("{n:,} of {name} ({share:.0%})", { n: 12345, name: "$& {n}", share: 0.2 })).toBe(
    "12,345 of $& {n} (20%)",
  );
  expect(() => say("{missing}", {})).toThrow("missing");
  expect([0.005, 0.015, 0.125, 0.375, 0.996].map(percent)).toEqual(["0%", "2%", "12%", "38%", "100%"]);
});

test("two digits are rounded as Python rounds them", () => {
  const told: [number, string][] = [[0.125, "0.12"], [0.375, "0.38"], [0.115, "0.12"], [0.145, "0.14"], [1, "1.00"], [0.9251, "0.93"]];
  for (const [value, text] of told) expect(say("{value:.2f}", { value }), String(value)).toBe(text);
});

test("some cells are those of evenly spread windows, however they are read", async () => {
  const n = 103;
  const values = Float32Array.from({ length: 2 * n }, (_, i) => (i % 3 ? i : 0));
  const block = withoutZeros(values, 2, 0);
  const blocks = (size: number) => split(block, size);
  const between = (start: number, stop: number) => [withoutZeros(values.slice(2 * start, 2 * stop), 2, start)];
  const matrix = { where: "X", nCells: n, nGenes: 2, blocks, sample: () => ({ values, cells: null, genes: null }) };
  const read = async (one: Matrix, most: number, windows: number) => {
    const [cells, data]: [number[], number[]] = [[], []];
    for await (const some of spreadRead(one, (checked) => checked, most, windows)) {
      cells.push(...Array.from({ length: some.nCells }, (_, i) => some.start + i));
      data.push(...some.data);
    }
    return { cells, data };
  };
  const { cells, data } = await read(matrix, 20, 4);
  // begin of each window: (103 - 5) * window // 3
  expect(cells).toEqual([0, 32, 65, 98].flatMap((start) => [0, 1, 2, 3, 4].map((i) => start + i)));
  expect(await read({ ...matrix, between }, 20, 4)).toEqual({ cells, data });
  expect((await read(matrix, n, 4)).cells.length).toBe(n);
});

test("silence is noticed while an HDF5 file is read, and at no other time", () => {
  vi.useFakeTimers();
  let silent = 0;
  const watchdog = new Watchdog(1000, () => silent++);
  watchdog.hear(false);
  vi.advanceTimersByTime(5000);
  watchdog.hear(true);
  vi.advanceTimersByTime(900);
  watchdog.hear(false);
  vi.advanceTimersByTime(900);
  expect(silent).toBe(0);
  vi.advanceTimersByTime(100);
  expect(silent).toBe(1);
  watchdog.hear(true);
  watchdog.rest();
  vi.advanceTimersByTime(5000);
  expect(silent).toBe(1);
  vi.useRealTimers();
});

describe("which files are one sample", () => {
  const bundled = (...names: string[]) =>
    bundlesOf(names.map((name) => new File(["x"], name))).map(({ name, files }) => [name, files.map((one) => one.name)]);

  test("a file by itself, a matrix with its names and whatever lies beside it", () => {
    expect(bundled("b.h5ad", "a.h5")).toEqual([["b.h5ad", ["b.h5ad"]], ["a.h5", ["a.h5"]]]);
    const triple = ["barcodes.tsv.gz", "features.tsv.gz", "matrix.mtx.gz", "summary.html"];
    expect(bundled(...triple)).toEqual([["matrix.mtx.gz", triple]]);
    expect(bundled("a.h5ad", ...triple)).toEqual([["a.h5ad", ["a.h5ad"]], ["matrix.mtx.gz", triple]]);
    expect(bundled("a.h5ad", "notes.txt")).toEqual([["a.h5ad", ["a.h5ad"]], ["notes.txt", ["notes.txt"]]]);
  });

  test("matrices by the beginning of their names, where it tells whose each file is", () => {
    const of = (sample: string) => ["barcodes.tsv", "genes.tsv", "matrix.mtx"].map((part) => `${sample}${part}`);
    expect(bundled(...of("s1_"), ...of("s2_"))).toEqual([["s1_matrix.mtx", of("s1_")], ["s2_matrix.mtx", of("s2_")]]);
    const shared = [...of("s1_"), "s2_matrix.mtx", "genes.tsv"];
    expect(bundled(...shared)).toEqual([["s1_matrix.mtx", shared]]);
  });
});

describe("samples of one result", () => {
  const frame = (names: string[], columns: Record<string, Column>): Frame => ({
    where: "obs",
    length: names.length,
    index: (start, stop) => names.slice(start, stop),
    columns: Object.keys(columns),
    textColumns: [],
    column: (name) => columns[name],
  });
  const number = (...values: number[]): Column => ({ kind: "number", values: Float32Array.from(values) });
  const text = (...values: string[]): Column => ({ kind: "text", values });

  test("cells get the number of their file only where files share a name", () => {
    const of = (...names: string[][]) => nameSuffixes(names.map((some) => frame(some, {})));
    expect(of(["a", "a"], ["b"])).toEqual(["", ""]);
    expect(of(["a", "b"], ["b"], [])).toEqual(["-0", "-1", "-2"]);
    expect(of(["a", "a"])).toEqual([""]);
  });

  test("a column is empty in the cells of a file that lacks it", () => {
    const frames = [frame(["a", "b"], { x: number(1, 2), y: text("p", "q") }), frame(["c"], { y: number(3), z: number(4) })];
    expect(columnsOf(frames)).toEqual(["x", "y", "z"]);
    expect(columnOf(frames, "x")).toEqual(number(1, 2, NaN));
    expect(columnOf(frames, "z")).toEqual(number(NaN, NaN, 4));
    const mixed = { kind: "category", codes: Int32Array.of(0, 1, 2), categories: ["p", "q", "3"] };
    expect(columnOf(frames, "y")).toEqual(mixed);
  });

  test("free texts of several files have one code each", () => {
    const set = (categories: string[], ...codes: number[]): ResultColumn => ({
      name: "set",
      kind: "category",
      categories,
      values: Int32Array.from(codes),
      free: true,
    });
    const joining = new Joining(["one", "two"]);
    const block = (column: ResultColumn) => ({ start: 0, nCells: column.values.length, columns: [column], matrices: [] });
    joining.block(block(set(["", "a"], 1, 0)), 0, 0);
    const { start, columns } = joining.block(block(set(["b", "a"], 0, 1, -1)), 1, 2);
    expect(start).toBe(2);
    expect(columns[0]).toMatchObject({ categories: ["", "a", "b"], values: Int32Array.of(2, 1, -1) });
    expect(columns[1]).toMatchObject({ categories: ["one", "two"], values: Int32Array.of(1, 1, 1) });
    const alone = block(set(["x"], 0));
    expect(new Joining(["one"]).block(alone, 0, 0)).toBe(alone);
  });
});

test("what is read ahead is what lies there, and pieces are read few times", () => {
  const random = seeded(1);
  const upTo = (most: number) => Math.floor(random() * (most + 1));
  const whole = Uint8Array.from({ length: 1000 }, () => upTo(255));
  for (const size of [1, 7, 64, 1000, 4096]) {
    let reads = 0;
    // a piece says nothing but where it begins and ends
    const file = { size: whole.length, slice: (begin: number, end: number) => ({ begin, end }) };
    const readBlob = (piece: unknown) => {
      const { begin, end } = piece as { begin: number; end: number };
      reads++;
      return whole.slice(begin, end).buffer;
    };
    const ahead = new ReadAhead(file as unknown as Blob, readBlob, size);
    for (let round = 0; round < 200; round++) {
      const [position, length] = [upTo(1100), upTo(300)];
      const into = new Uint8Array(length);
      const there = whole.slice(position, position + length);
      expect(ahead.read(into, position)).toBe(there.length);
      expect(into.subarray(0, there.length)).toEqual(there);
      expect(into.subarray(there.length).every((byte) => byte === 0)).toBe(true);
    }
    if (size >= 1000) expect(reads).toBe(1);
  }
});

test("who brings more cells than were measured is told so before they are mapped", () => {
  expect(beyondMeasured(MEASURED_CELLS)).toBe("");
  expect(beyondMeasured(MEASURED_CELLS + 1)).toMatch(/^More than the 1,000,000 cells .*cellport map/);
});

test("no column of another atlas is called as another one is", () => {
  expect(numbered(["lung", "blood", "lung", "lung"])).toEqual(["lung", "blood", "lung_2", "lung_3"]);
  for (const name of ["set", "group"]) {
    expect(numbered([name, name, "lung"])).toEqual([name, `${name}_2`, "lung"]);
    expect(numbered(["lung", name, name])).toEqual(["lung", `${name}_2`, `${name}_3`]);
  }
});
