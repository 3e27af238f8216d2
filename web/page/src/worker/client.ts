/** The page's end of the worker. */

import { InputError } from "../errors";
import type { MappedBlock } from "../mapping/columns";
import type { MapOptions } from "../mapping/query";
import type { Verification } from "../mapping/verify";
import type { Column } from "../sources/source";
import type { Outcome } from "../writers/h5ad";
import type { Answer, Ask, Finished, Started } from "./messages";
import workerUrl from "./worker?worker&url";

export interface MapListener {
  started(started: Started): void;
  block(block: MappedBlock, names: string[]): void;
}

type Handler = (answer: Answer) => boolean;

/** One worker, asked one thing at a time; later questions wait. */
export class Mapper {
  private worker: Worker;
  private queue: Promise<unknown> = Promise.resolve();
  private giveUp: ((error: Error) => void) | null = null;

  constructor(
    private readonly base: string,
    private readonly wasmUrl: string,
  ) {
    this.worker = startWorker();
  }

  open(): Promise<Verification> {
    let verification: Verification;
    return this.ask({ kind: "open", base: this.base, wasmUrl: this.wasmUrl }, (answer) => {
      if (answer.kind === "opened") verification = answer.verification;
      return answer.kind === "opened";
    }).then(() => verification);
  }

  map(files: File[], options: MapOptions, listener: MapListener): Promise<Finished> {
    let finished: Finished;
    return this.ask({ kind: "map", files, options }, (answer) => {
      if (answer.kind === "started") listener.started(answer.started);
      if (answer.kind === "block") listener.block(answer.block, answer.names);
      if (answer.kind === "mapped") finished = answer.finished;
      return answer.kind === "mapped";
    }).then(() => finished);
  }

  gene(gene: number): Promise<Float32Array> {
    let values: Float32Array;
    return this.ask({ kind: "gene", gene }, (answer) => {
      if (answer.kind === "gene") values = answer.values;
      return answer.kind === "gene";
    }).then(() => values);
  }

  column(name: string): Promise<Column> {
    let column: Column;
    return this.ask({ kind: "column", name }, (answer) => {
      if (answer.kind === "column") column = answer.column;
      return answer.kind === "column";
    }).then(() => column);
  }

  /** Results as the bytes of an h5ad. */
  h5ad(results: Omit<Outcome, "uns">): Promise<Uint8Array<ArrayBuffer>> {
    let bytes: Uint8Array<ArrayBuffer>;
    return this.ask({ kind: "h5ad", results }, (answer) => {
      if (answer.kind === "h5ad") bytes = answer.bytes;
      return answer.kind === "h5ad";
    }).then(() => bytes);
  }

  /** Stop whatever is going on, and be ready for another file. */
  async stop(): Promise<void> {
    this.worker.terminate();
    this.giveUp?.(new InputError("Stopped."));
    this.worker = startWorker();
    this.queue = Promise.resolve();
    await this.open();
  }

  private ask(question: Ask, handle: Handler): Promise<void> {
    const asked = this.queue.then(
      () =>
        new Promise<void>((resolve, reject) => {
          this.giveUp = reject;
          this.worker.onmessage = (event: MessageEvent<Answer>) => {
            const answer = event.data;
            if (answer.kind === "failed") reject(new InputError(answer.sentence));
            else if (handle(answer)) resolve();
          };
          this.worker.onerror = () => {
            reject(
              new InputError(
                "The part of this page that maps cells could not go on; it may have run out of " +
                  "memory. Reload the page and try again.",
              ),
            );
          };
          this.worker.postMessage(question);
        }),
    );
    this.queue = asked.catch(() => undefined);
    return asked;
  }
}

function startWorker(): Worker {
  // A worker from a file has only the policy that its server sends with it; one from a blob
  // inherits the page's, so that no site however served lets it talk to another host.
  const url = new URL(workerUrl, document.baseURI).href;
  const blob = new Blob([`import ${JSON.stringify(url)};`], { type: "text/javascript" });
  const blobUrl = URL.createObjectURL(blob);
  const worker = new Worker(blobUrl, { type: "module" });
  setTimeout(() => URL.revokeObjectURL(blobUrl), 10_000);
  return worker;
}
