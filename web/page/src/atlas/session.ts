/** `encoder_tail.onnx` through onnxruntime-web: features to every answer. */

import * as ort from "onnxruntime-web/wasm";

import decisions from "../decisions";
import { AtlasError, firstLine } from "../errors";
import { refusal } from "./manifest";

/** Outputs of the graph by name: float32 [cells, width]. */
export type Answers = Map<string, { width: number; data: Float32Array }>;

/** Features of cells, float32 [cells, width]. */
export interface Features {
  width: number;
  values: Float32Array;
}

export class Session {
  private constructor(private readonly session: ort.InferenceSession) {}

  /** Open the graph; `wasm` is onnxruntime's WebAssembly, undefined under Node. */
  static async open(graph: Uint8Array, wasm?: ArrayBuffer): Promise<Session> {
    ort.env.wasm.numThreads = 1;
    ort.env.logLevel = "error";
    if (wasm) ort.env.wasm.wasmBinary = wasm;
    try {
      return new Session(await ort.InferenceSession.create(graph));
    } catch (error) {
      throw new AtlasError(`The atlas's network cannot be opened here (${firstLine(error)}).`);
    }
  }

  /** Free what it holds. */
  close(): Promise<void> {
    return this.session.release();
  }

  async run({ width, values }: Features): Promise<Answers> {
    const cells = values.length / width;
    const features = new ort.Tensor("float32", values, [cells, width]);
    let found: ort.InferenceSession.OnnxValueMapType;
    try {
      found = await this.session.run({ features });
    } catch (error) {
      throw refusal(decisions.format.graph_fails, { reason: firstLine(error) });
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
