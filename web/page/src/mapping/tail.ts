/** `encoder_tail.onnx` through onnxruntime-web: first layer's output to every answer. */

import * as ort from "onnxruntime-web/wasm";

import { AtlasError, firstLine } from "../errors";

/** Outputs of the graph by name: float32 [cells, width]. */
export type Answers = Map<string, { width: number; data: Float32Array }>;

export class Tail {
  private constructor(
    private readonly session: ort.InferenceSession,
    private readonly nHidden: number,
  ) {}

  /** Open the graph; `wasmUrl` is where onnxruntime's WebAssembly lies, undefined under Node. */
  static async open(graph: Uint8Array, nHidden: number, wasmUrl?: string): Promise<Tail> {
    ort.env.wasm.numThreads = 1;
    ort.env.logLevel = "error";
    if (wasmUrl) ort.env.wasm.wasmPaths = { wasm: wasmUrl };
    try {
      return new Tail(await ort.InferenceSession.create(graph), nHidden);
    } catch (error) {
      throw new AtlasError(`The atlas's network cannot be opened here (${firstLine(error)}).`);
    }
  }

  async run(hidden: Float32Array): Promise<Answers> {
    const cells = hidden.length / this.nHidden;
    const input = new ort.Tensor("float32", hidden, [cells, this.nHidden]);
    let found: ort.InferenceSession.OnnxValueMapType;
    try {
      found = await this.session.run({ [this.session.inputNames[0]]: input });
    } catch (error) {
      throw new AtlasError(`The atlas's network fails on its inputs (${firstLine(error)}).`);
    }
    return new Map(
      this.session.outputNames.map((name) => {
        const data = Float32Array.from(found[name].data as Float32Array);
        found[name].dispose();
        return [name, { width: data.length / cells, data }];
      }),
    );
  }
}
