/** Nodes and constants of an ONNX graph.
 *
 * Same as `runtime/atlas/network/graph.py` of the Python package; field numbers are those of
 * onnx.proto, which never change (IR version 3 on).
 */

import decisions, { say } from "../../decisions";
import { AtlasError } from "../../errors";
import { fieldsOf, type Value, varint } from "./protobuf";
import { sizeOf, type Tensor } from "./tensor";

const MODEL_GRAPH = 7;
const GRAPH = { node: 1, initializer: 5 };
const NODE = { input: 1, output: 2, kind: 4, attribute: 5, domain: 7 };
const ATTRIBUTE = { name: 1, float: 2, int: 3, text: 4, tensor: 5, ints: 8 };
const TENSOR = { dims: 1, dtype: 2, name: 8, raw: 9 };
type Read = (at: DataView, place: number) => number;
// number of a type in onnx.proto: bytes of a value, how it is read, whether it is a whole number,
// and the field of its values where they are not raw
const DTYPES = new Map<number, [number, Read, boolean, number]>([
  [1, [4, (view, at) => view.getFloat32(at, true), false, 4]],
  [6, [4, (view, at) => view.getInt32(at, true), true, 5]],
  [7, [8, (view, at) => Number(view.getBigInt64(at, true)), true, 7]],
  [9, [1, (view, at) => view.getUint8(at), true, 5]],
  [11, [8, (view, at) => view.getFloat64(at, true), false, 10]],
]);

export type Attribute = number | string | readonly number[] | Tensor | null;

/** One operation. */
export interface Node {
  kind: string;
  /** "" for one that is left out. */
  inputs: string[];
  outputs: string[];
  attributes: ReadonlyMap<string, Attribute>;
}

/** A graph in the order in which it is computed. */
export interface Graph {
  nodes: Node[];
  constants: ReadonlyMap<string, Tensor>;
}

/** Read a serialised ``ModelProto``; `name` is for the message. */
export function readGraph(model: Uint8Array, name: string): Graph {
  try {
    return graphOf(model);
  } catch (error) {
    if (!(error instanceof RangeError || error instanceof TypeError)) throw error;
    throw new AtlasError(say(decisions.explain.no_graph, { graph: name }));
  }
}

/** Nodes that a value is computed by, in order. */
export function nodesTowards({ nodes }: Graph, name: string): Node[] {
  const wanted = new Set([name]);
  const found: Node[] = [];
  for (const node of [...nodes].reverse()) {
    if (!node.outputs.some((output) => wanted.has(output))) continue;
    found.push(node);
    for (const input of node.inputs) wanted.add(input);
  }
  return found.reverse();
}

function graphOf(model: Uint8Array): Graph {
  const graph = fieldsOf(bytes(last(fieldsOf(model), MODEL_GRAPH)));
  const all = (graph.get(GRAPH.node) ?? []).map((one) => nodeOf(bytes(one)));
  const initial = (graph.get(GRAPH.initializer) ?? []).map((one) => tensorOf(bytes(one)));
  const made = all
    .filter(({ kind }) => kind === "Constant")
    .map(({ outputs, attributes }): [string, Tensor] => [outputs[0], attributes.get("value") as Tensor]);
  const nodes = all.filter(({ kind }) => kind !== "Constant");
  return { nodes, constants: new Map([...initial, ...made]) };
}

function nodeOf(message: Uint8Array): Node {
  const found = fieldsOf(message);
  const domain = found.has(NODE.domain) ? textOf(last(found, NODE.domain)) : "";
  const kind = textOf(last(found, NODE.kind));
  return {
    kind: domain ? `${domain}.${kind}` : kind,
    inputs: (found.get(NODE.input) ?? []).map(textOf),
    outputs: (found.get(NODE.output) ?? []).map(textOf),
    attributes: new Map((found.get(NODE.attribute) ?? []).map((one) => attributeOf(bytes(one)))),
  };
}

function attributeOf(message: Uint8Array): [string, Attribute] {
  const found = fieldsOf(message);
  const name = textOf(last(found, ATTRIBUTE.name));
  if (found.has(ATTRIBUTE.tensor)) return [name, tensorOf(bytes(last(found, ATTRIBUTE.tensor)))[1]];
  if (found.has(ATTRIBUTE.ints)) return [name, wholeNumbers(found.get(ATTRIBUTE.ints)!)];
  if (found.has(ATTRIBUTE.float)) return [name, viewOf(bytes(last(found, ATTRIBUTE.float))).getFloat32(0, true)];
  if (found.has(ATTRIBUTE.int)) return [name, wholeNumbers(found.get(ATTRIBUTE.int)!).at(-1)!];
  return [name, found.has(ATTRIBUTE.text) ? textOf(last(found, ATTRIBUTE.text)) : null];
}

function tensorOf(message: Uint8Array): [string, Tensor] {
  const found = fieldsOf(message);
  const name = found.has(TENSOR.name) ? textOf(last(found, TENSOR.name)) : "";
  const shape = wholeNumbers(found.get(TENSOR.dims) ?? []);
  const dtype = DTYPES.get(Number(last(found, TENSOR.dtype)));
  if (!dtype) throw new RangeError("values of another type");
  const [width, read, whole, field] = dtype;
  const raw = found.get(TENSOR.raw)?.at(-1);
  const listed = found.get(field) ?? [];
  const numbers = raw === undefined && whole ? wholeNumbers(listed) : rawNumbers(raw === undefined ? listed : [raw], width, read);
  const values = Float64Array.from(numbers);
  if (values.length !== sizeOf(shape)) throw new RangeError("not as many values as its shape has");
  return [name, { shape, values, whole }];
}

function rawNumbers(parts: readonly Value[], width: number, read: Read): number[] {
  return parts.flatMap((part) => {
    const view = viewOf(bytes(part));
    return Array.from({ length: view.byteLength / width }, (_, i) => read(view, i * width));
  });
}

/** Whole numbers, each a field of its own or packed into one. */
function wholeNumbers(values: readonly Value[]): number[] {
  return values.flatMap((value) => {
    if (typeof value === "number") return [value];
    const found: number[] = [];
    for (let at = 0; at < value.length; ) {
      const [number, next] = varint(value, at);
      found.push(number);
      at = next;
    }
    return found;
  });
}

function last(found: ReadonlyMap<number, Value[]>, field: number): Value {
  const value = found.get(field)?.at(-1);
  if (value === undefined) throw new RangeError("a field is missing");
  return value;
}

function bytes(value: Value): Uint8Array {
  if (typeof value === "number") throw new RangeError("a number in place of bytes");
  return value;
}

function viewOf({ buffer, byteOffset, byteLength }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset, byteLength);
}

function textOf(value: Value): string {
  return new TextDecoder("utf-8", { fatal: true }).decode(bytes(value));
}
