/** The page's end of the worker. */

import decisions, { say } from "../decisions";
import { InputError } from "../errors";
import type { MappedBlock } from "../mapping/columns";
import type { MapOptions } from "../mapping/query";
import type { Verification } from "../mapping/verify";
import type { Column } from "../sources/source";
import type { Outcome } from "../writers/h5ad";
import type { Answer, Ask, Finished, Started } from "./messages";
import { Watchdog } from "./watchdog";
import workerUrl from "./worker?worker&url";

// reading the largest pieces and mapping a block take a few seconds on small machines
const SILENT_MS = 30_000;

export interface MapListener {
  started(started: Started): void;
  block(block: MappedBlock, names: string[]): void;
}

type Answered<K extends Answer["kind"]> = Extract<Answer, { kind: K }>;

/** One worker, asked one thing at a time; later questions wait. */
export class Mapper {
  private worker: Worker;
  private queue: Promise<unknown> = Promise.resolve();
  private giveUp: ((error: Error) => void) | null = null;
  private file = "";
  private readonly watchdog = new Watchdog(SILENT_MS, () => {
    const why = new InputError(
      say(decisions.files.unreadable, { where: this.file, reason: "there is no end to it" }),
    );
    this.stop(why).catch(() => undefined);
  });

  constructor(
    private readonly base: string,
    private readonly wasmUrl: string,
  ) {
    this.worker = startWorker();
  }

  async open(): Promise<Verification> {
    const question: Ask = { kind: "open", base: this.base, wasmUrl: this.wasmUrl };
    return (await this.ask(question, "opened")).verification;
  }

  async map(files: File[], options: MapOptions, listener: MapListener): Promise<Finished> {
    this.file = files.map((file) => file.name).join(", ");
    const hear = (answer: Answer) => {
      if (answer.kind === "started") listener.started(answer.started);
      if (answer.kind === "block") listener.block(answer.block, answer.names);
    };
    return (await this.ask({ kind: "map", files, options }, "mapped", hear)).finished;
  }

  async gene(gene: number): Promise<Float32Array> {
    return (await this.ask({ kind: "gene", gene }, "gene")).values;
  }

  async column(name: string): Promise<Column> {
    return (await this.ask({ kind: "column", name }, "column")).column;
  }

  /** Results as the bytes of an h5ad. */
  async h5ad(results: Omit<Outcome, "uns">): Promise<Uint8Array<ArrayBuffer>> {
    return (await this.ask({ kind: "h5ad", results }, "h5ad")).bytes;
  }

  /** Stop whatever is going on, and be ready for another file. */
  async stop(why = new InputError("Stopped.")): Promise<void> {
    this.worker.terminate();
    this.watchdog.rest();
    this.giveUp?.(why);
    this.worker = startWorker();
    this.queue = Promise.resolve();
    await this.open();
  }

  /** Ask once the questions before are answered; the answer of kind `last` ends it. */
  private ask<K extends Answer["kind"]>(
    question: Ask,
    last: K,
    hear: (answer: Answer) => void = () => undefined,
  ): Promise<Answered<K>> {
    const asked = this.queue.then(
      () =>
        new Promise<Answered<K>>((resolve, reject) => {
          this.giveUp = reject;
          this.worker.onmessage = (event: MessageEvent<Answer>) => {
            const answer = event.data;
            const ended = answer.kind === "failed" || answer.kind === last;
            if (ended) this.watchdog.rest();
            else this.watchdog.hear(answer.kind === "reading");
            if (answer.kind === "failed") reject(new InputError(answer.sentence));
            else if (answer.kind === last) resolve(answer as Answered<K>);
            else hear(answer);
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
