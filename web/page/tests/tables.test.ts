/** Tables, groups, violins and the address, without a browser. */

import { expect, test } from "vitest";

import { hashOf, shownIn } from "../src/page/address";
import { density, outline } from "../src/page/genes/violin";
import { composition, groupsOf } from "../src/page/groups/composition";
import { Results } from "../src/mapping/results";
import { csvLine } from "../src/writers/csv";
import { seeded } from "./random.mjs";

test("an address gives back what it tells, whatever the names", () => {
  const random = seeded(3);
  const letters = [..."aB0 #&=+%?/:;'\"<>é漢\u{1f9ec}"];
  for (let round = 0; round < 300; round++) {
    const word = () =>
      Array.from({ length: Math.floor(5 * random()) }, () => letters[Math.floor(letters.length * random())]).join("");
    const shown = { colour: word(), gene: word(), groups: word(), chosen: word() };
    expect(shownIn(hashOf(shown))).toEqual(shown);
  }
  expect(hashOf({ colour: "", gene: "", groups: "", chosen: "" })).toBe("");
  expect(shownIn("#card")).toEqual({ colour: "", gene: "", groups: "", chosen: "" });
});

test("numbers name groups where they are few and whole", () => {
  const values = Float32Array.of(10, 2, NaN, 2, 10, 1);
  expect(groupsOf({ kind: "number", values })).toEqual({
    codes: Int32Array.of(2, 1, -1, 1, 2, 0),
    names: ["1", "2", "10"],
  });
  expect(groupsOf({ kind: "number", values: Float32Array.of(0.5, 1) })).toBeNull();
  expect(groupsOf({ kind: "number", values: Float32Array.from({ length: 99 }, (_, i) => i) })).toBeNull();
});

test("each cell is in one group and counted under one call", () => {
  const random = seeded(4);
  const n = 500;
  const whole = (most: number) => Math.floor(most * random());
  const results = new Results(n);
  const call = Int32Array.from({ length: n }, () => whole(3));
  const prob = Float32Array.from({ length: n }, random);
  const novel = Uint8Array.from({ length: n }, () => whole(2));
  const columns = [
    { name: "cellport_call", kind: "category" as const, categories: ["A", "B", "unknown"], values: call },
    { name: "cellport_prob", kind: "float" as const, values: prob },
    { name: "cellport_novel", kind: "bool" as const, values: novel },
  ];
  results.add({ start: 0, nCells: n, columns, matrices: [] }, []);
  const codes = Int32Array.from({ length: n }, () => whole(5) - 1);
  const rows = composition({ codes, names: ["a", "b", "c", "none here", "d"] }, results);
  expect(rows.map(({ name }) => name).sort()).toEqual(["a", "b", "c", "none here"]);
  for (const row of rows) {
    const cells = [...codes.keys()].filter((cell) => codes[cell] === row.code);
    expect(row.cells).toBe(cells.length);
    expect([...row.byCall]).toEqual([0, 1, 2].map((code) => cells.filter((cell) => call[cell] === code).length));
    expect(row.novel).toBe(cells.reduce((sum, cell) => sum + novel[cell], 0));
    expect(row.prob).toBeCloseTo(cells.reduce((sum, cell) => sum + prob[cell], 0) / cells.length, 6);
  }
});

test("a violin is widest where most cells are", () => {
  const values = Float32Array.from({ length: 800 }, (_, i) => (i < 600 ? 0 : 3 + (i % 2)));
  const shares = density(values, 4);
  expect(Math.max(...shares)).toBe(1);
  expect([...shares].indexOf(1)).toBe(0);
  expect(shares[36]).toBeGreaterThan(shares[20]);
  expect(Math.max(...density(new Float32Array(0), 4))).toBe(0);
  expect(Math.max(...density(values, 0))).toBe(0);
  expect(outline(shares, 100, 20)).toMatch(/^M0\.0 0\.0L.*z$/);
});

test("a line of a table is safe in a spreadsheet", () => {
  expect(csvLine(["a,b", "=1+1", 0.25, "", "-1"])).toBe('"a,b",\'=1+1,0.25,,-1\n');
});
