/** Networks followed backwards: every operation against differences, and damaged graphs refused. */

import { describe, expect, test } from "vitest";

import { run } from "../src/atlas/network/gradient";
import { type Attribute, type Graph, type Node, readGraph } from "../src/atlas/network/graph";
import { erf } from "../src/atlas/network/operations/numbers";
import { tensor, type Tensor } from "../src/atlas/network/tensor";
import { AtlasError } from "../src/errors";
import { gaussLegendre } from "../src/mapping/explain/quadrature";
import { seeded } from "./random.mjs";

const ROWS = 3;
const WIDTH = 4;
const STEP = 1e-6;

function node(kind: string, inputs: string[], attributes: Record<string, Attribute> = {}): Node {
  return { kind, inputs, outputs: ["answer"], attributes: new Map(Object.entries(attributes)) };
}

const whole = (...values: number[]) => tensor([values.length], Float64Array.from(values), true);
const real = (shape: number[], ...values: number[]) => tensor(shape, Float64Array.from(values));
const CONSTANTS = new Map<string, Tensor>([
  ["row", real([WIDTH], 0.5, -1.5, 2, 0.25)],
  ["column", real([ROWS, 1], 1.5, -0.5, 2)],
  ["one", real([], 0.75)],
  ["two", real([], 2)],
  ["weight", real([WIDTH, 2], 1, -2, 0.5, 3, -1, 0.25, 2, 1)],
  ["flipped", real([2, WIDTH], 1, -2, 0.5, 3, -1, 0.25, 2, 1)],
  ["bias", real([2], 0.5, -0.5)],
  ["first", whole(1)],
  ["last", whole(-1)],
  ["start", whole(3)],
  ["end", whole(-5)],
  ["back", whole(-2)],
  ["shape", whole(2, ROWS, WIDTH)],
  ["flags", tensor([WIDTH], Float64Array.of(1, 0, 1, 0), true)],
]);

const NODES: Node[] = [
  ...["Add", "Sub", "Mul", "Div"].flatMap((kind) =>
    ["row", "column", "one"].flatMap((other) => [node(kind, ["x", other]), node(kind, [other, "x"])]),
  ),
  node("Mul", ["x", "x"]),
  node("Pow", ["x", "two"]),
  node("MatMul", ["x", "weight"]),
  node("Gemm", ["x", "flipped", "bias"], { transB: 1, alpha: 0.5, beta: 2 }),
  node("Gemm", ["x", "weight"]),
  node("LayerNormalization", ["x", "row", "row"], { epsilon: 1e-3 }),
  ...["Erf", "Exp", "Identity", "Cast", "Relu", "Sigmoid", "Softplus", "Tanh"].map((kind) => node(kind, ["x"])),
  node("Elu", ["x"]),
  node("Selu", ["x"], { alpha: 1.67, gamma: 1.05 }),
  node("LeakyRelu", ["x"], { alpha: 0.2 }),
  node("PRelu", ["x", "row"]),
  node("Clip", ["x", "", "one"]),
  node("Where", ["flags", "x", "row"]),
  node("Where", ["flags", "row", "x"]),
  ...["Softmax", "LogSoftmax"].flatMap((kind) => [node(kind, ["x"]), node(kind, ["x"], { axis: 0 })]),
  ...["ReduceSum", "ReduceMax", "ReduceLogSumExp"].flatMap((kind) => [
    node(kind, ["x", "last"]),
    node(kind, ["x", "first"], { keepdims: 0 }),
  ]),
  node("Slice", ["x", "first", "start", "first"]),
  node("Slice", ["x", "start", "end", "first", "back"]),
  node("Unsqueeze", ["x", "last"]),
  node("Concat", ["x", "x"], { axis: 0 }),
  node("Concat", ["x", "x"], { axis: -1 }),
  node("Expand", ["x", "shape"]),
];

describe("every operation goes back as its differences say", () => {
  test.each(NODES.map((one, at) => [`${one.kind} ${one.inputs.join(" ")}`, one, at] as const))("%s", (_, one, at) => {
    const graph: Graph = { nodes: [one], constants: CONSTANTS };
    const random = seeded(at);
    const x = tensor([ROWS, WIDTH], Float64Array.from({ length: ROWS * WIDTH }, () => 4 * random() - 2));
    const found = run(graph, "x", x, "answer", "made");
    const weights = found.value.values.map(() => random() - 0.5);
    const weighted = (values: Float64Array) =>
      run(graph, "x", tensor(x.shape, values), "answer", "made").value.values.reduce((sum, value, i) => sum + value * weights[i], 0);
    const { shape, values } = found.gradient(tensor(found.value.shape, weights));
    expect(shape).toEqual(x.shape);
    values.forEach((slope, i) => {
      const moved = (by: number) => weighted(x.values.map((value, k) => (k === i ? value + by : value)));
      const difference = (moved(STEP) - moved(-STEP)) / (2 * STEP);
      expect(Math.abs(slope - difference)).toBeLessThan(1e-6 * Math.max(1, Math.abs(slope)));
    });
  });
});

test("what holds whole numbers or flags leads nowhere", () => {
  const graph: Graph = {
    nodes: [
      { ...node("ArgMax", ["x"], { axis: 1, keepdims: 1 }), outputs: ["best"] },
      { ...node("Greater", ["x", "one"]), outputs: ["flag"] },
      { ...node("Shape", ["x"]), outputs: ["extent"] },
      node("Where", ["flag", "x", "best"]),
    ],
    constants: CONSTANTS,
  };
  const x = real([2, 3], 1, 3, -1, 5, 2, 0.5);
  const found = run(graph, "x", x, "answer", "made");
  expect([...found.value.values]).toEqual([1, 3, 1, 5, 2, 0]);
  const ones = tensor([2, 3], new Float64Array(6).fill(1));
  expect([...found.gradient(ones).values]).toEqual([1, 1, 0, 1, 1, 0]);
});

test("an operation that is not known is named", () => {
  const graph: Graph = { nodes: [node("Conv", ["x", "row"])], constants: CONSTANTS };
  expect(() => run(graph, "x", real([1, 1], 1), "answer", "tissue")).toThrow(
    /network of 'tissue' has an operation .*\(Conv\)/,
  );
});

test("bytes that are no graph are refused, whatever they are", () => {
  const random = seeded(7);
  for (let round = 0; round < 500; round++) {
    const bytes = Uint8Array.from({ length: Math.floor(60 * random()) }, () => Math.floor(256 * random()));
    try {
      readGraph(bytes, "made, encoder_tail.onnx");
    } catch (error) {
      expect(error).toBeInstanceOf(AtlasError);
    }
  }
  expect(() => readGraph(new Uint8Array(), "made, encoder_tail.onnx")).toThrow("made, encoder_tail.onnx cannot be followed");
});

test("the error function to its last digits", () => {
  // Abramowitz and Stegun 1964, table 7.1
  for (const [x, y] of [[0, 0], [0.5, 0.5204998778], [1, 0.8427007929], [1.9, 0.9927904292], [3, 0.9999779095], [-1, -0.8427007929]]) {
    expect(erf(x)).toBeCloseTo(y, 10);
  }
  expect(erf(2.5 - 1e-12)).toBeCloseTo(erf(2.5 + 1e-12), 12);
});

test("polynomials have the means that quadrature says", () => {
  for (const n of [1, 2, 32, 64]) {
    const places = gaussLegendre(n);
    for (let power = 0; power < 2 * Math.min(n, 20); power++) {
      const mean = places.reduce((sum, { place, weight }) => sum + weight * place ** power, 0);
      expect(mean).toBeCloseTo(1 / (power + 1), 12);
    }
  }
});
