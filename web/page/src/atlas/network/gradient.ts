/** Run a graph in float64, and follow one number a cell back to what went in.
 *
 * Same as `runtime/atlas/network/gradient.py` of the Python package, by the reverse mode: Griewank
 * and Walther 2008, "Evaluating derivatives", chapter 3.
 */

import decisions, { say } from "../../decisions";
import { AtlasError } from "../../errors";
import { type Graph, type Node, nodesTowards } from "./graph";
import { LAYERS } from "./operations/layers";
import { NUMBERS } from "./operations/numbers";
import type { Back, Operation } from "./operations/operation";
import { REDUCTIONS } from "./operations/reductions";
import { SHAPES } from "./operations/shapes";
import { narrowed, paired, type Tensor } from "./tensor";

const KINDS = new Map<string, Operation>(Object.entries({ ...LAYERS, ...NUMBERS, ...REDUCTIONS, ...SHAPES }));

interface Step {
  node: Node;
  back: Back;
  inputs: readonly (Tensor | undefined)[];
}

/** A graph that was run as far as one output, with what is needed to go back. */
export class Run {
  constructor(
    readonly value: Tensor,
    private readonly source: string,
    private readonly output: string,
    private readonly steps: readonly Step[],
  ) {}

  /** Of a weight of each number of the output, the gradient of the weighted sum by the input. */
  gradient(change: Tensor): Tensor {
    const flowing = new Map([[this.output, change]]);
    for (const { node, back, inputs } of [...this.steps].reverse()) {
      const [output] = node.outputs;
      const gone = flowing.get(output);
      if (!gone) continue;
      flowing.delete(output);
      back(gone).forEach((part, i) => {
        const input = inputs[i];
        if (!part || !input) return;
        const { [i]: name } = node.inputs;
        const own = narrowed(part, input.shape);
        const before = flowing.get(name);
        flowing.set(name, before ? paired(before, own, (x, y) => x + y, false) : own);
      });
    }
    return flowing.get(this.source)!;
  }
}

/** Run a graph as far as `output`; `source` is its input, `atlas` whose it is, for the message. */
export function run(graph: Graph, source: string, values: Tensor, output: string, atlas: string): Run {
  const known = new Map<string, Tensor>([...graph.constants, [source, values]]);
  const varies = new Set([source]);
  const steps: Step[] = [];
  for (const node of nodesTowards(graph, output)) {
    const inputs = node.inputs.map((name) => known.get(name));
    const made = KINDS.get(node.kind)?.(node.attributes, ...(inputs as Tensor[]));
    if (!made) throw new AtlasError(say(decisions.explain.unknown_operation, { atlas, kind: node.kind }));
    const [found, back] = made;
    known.set(node.outputs[0], found);
    if (!node.inputs.some((name) => varies.has(name))) continue;
    varies.add(node.outputs[0]);
    steps.push({ node, back, inputs });
  }
  return new Run(known.get(output)!, source, output, steps);
}
