/** The page's end of the worker. */

import decisions, { say } from "../decisions";
import { InputError } from "../errors";
import type { Compared } from "../mapping/compare";
import type { MappedBlock } from "../mapping/columns";
import type { LabelReasons } from "../mapping/explain/reasons";
import type { MapOptions } from "../mapping/options";
import type { Bundle } from "../mapping/samples";
import type { Verification } from "../mapping/verify";
import type { Column } from "../sources/source";
import type { Outcome } from "../writers/h5ad";
import type { Kit } from "./kit";
import type { Answer, Ask, Asked, Finished, Reported, Started } from "./messages";
import { Watchdog } from "./watchdog";

// reading the largest pieces and mapping a block take a few seconds on small machines
const SILENT_MS = 30_000;

export interface MapListener {
  started(started: Started): void;
  block(block: MappedBlock, names: string[]): void;
}

/** A question was given up, for another or because somebody stopped it. */
export class Stopped extends InputError {
  constructor() {
    super("Stopped.");
  }
}

type Answered<K extends Answer["kind"]> = Extract<Answer, { kind: K }>;

/** A question that waits for its last answer. */
interface Waiting {
  last: Answer["kind"];
  hear(answer: Answer): void;
  resolve(answer: Answer): void;
  reject(error: Error): void;
}

/** One worker at a time. What it answers carries the number of the question, and answers to what
 * is not asked any more are not heard. */
export class Mapper {
  private worker: Worker;
  private readonly waiting = new Map<number, Waiting>();
  private asked = 0;
  private mapping = 0;
  private file = "";
  private readonly watchdog = new Watchdog(SILENT_MS, () => {
    this.restart(
      new InputError(
        say(decisions.files.unreadable, { where: this.file, reason: "there is no end to it" }),
      ),
    );
  });

  constructor(private readonly kit: Kit) {
    this.worker = this.startWorker();
  }

  /** Open the atlas, again where the worker was given up meanwhile. */
  async open(): Promise<Verification> {
    const { wasm, parts } = this.kit;
    for (;;) {
      try {
        return (await this.ask({ kind: "open", wasm, parts }, "opened")).verification;
      } catch (error) {
        if (!(error instanceof Stopped)) throw error;
      }
    }
  }

  /** Map files as samples of one result; whatever is being mapped is given up for them. */
  async map(bundles: Bundle[], options: MapOptions, listener: MapListener): Promise<Finished> {
    if (this.mapping) this.restart(new Stopped());
    const hear = (answer: Answer) => {
      if (answer.kind === "started") listener.started(answer.started);
      if (answer.kind === "block") listener.block(answer.block, answer.names);
    };
    this.file = bundles.map(({ name }) => name).join(", ");
    const run = (this.mapping = this.asked + 1);
    try {
      return (await this.ask({ kind: "map", bundles, options }, "mapped", hear)).finished;
    } catch (error) {
      // a library that has met a damaged file is not asked again
      if (this.mapping === run) this.restart(new Stopped());
      throw error;
    } finally {
      if (this.mapping === run) this.mapping = 0;
    }
  }

  async gene(gene: number): Promise<Float32Array> {
    return (await this.ask({ kind: "gene", gene }, "gene")).values;
  }

  async column(name: string): Promise<Column> {
    return (await this.ask({ kind: "column", name }, "column")).column;
  }

  async compare(kinds: Uint8Array): Promise<Compared> {
    return (await this.ask({ kind: "compare", kinds }, "compared")).compared;
  }

  /** The genes that spoke for a label over all of its cells. */
  async typeReasons({ run }: Finished, label: number): Promise<LabelReasons> {
    return (await this.ask({ kind: "type reasons", run, label }, "reasons")).reasons;
  }

  /** The genes that spoke for a label of one cell. */
  async cellReasons({ run }: Finished, cell: number, label: number): Promise<LabelReasons> {
    return (await this.ask({ kind: "cell reasons", run, cell, label }, "reasons")).reasons;
  }

  /** Results of a finished run as the bytes of an h5ad. */
  async h5ad(
    { run }: Finished,
    results: Omit<Outcome, "uns">,
  ): Promise<Uint8Array<ArrayBuffer>> {
    return (await this.ask({ kind: "h5ad", run, results }, "h5ad")).bytes;
  }

  /** The report of a finished run, an HTML page. */
  async report({ run }: Finished, results: Reported): Promise<string> {
    return (await this.ask({ kind: "report", run, results }, "report")).page;
  }

  /** Stop whatever is going on, and be ready for another file. */
  stop(): void {
    if (this.mapping) this.restart(new Stopped());
  }

  /** Give up all that is asked, for a reason, and go on with a new worker. */
  private restart(why: Error): void {
    this.worker.terminate();
    this.watchdog.rest();
    this.mapping = 0;
    const given = [...this.waiting.values()];
    this.waiting.clear();
    this.worker = this.startWorker();
    this.open().catch(() => undefined);
    for (const { last, reject } of given) reject(last === "opened" ? new Stopped() : why);
  }

  private startWorker(): Worker {
    const worker = this.kit.startWorker();
    worker.onmessage = ({ data }: MessageEvent<Asked<Answer>>) => this.hear(data);
    worker.onerror = () => {
      this.giveUp(
        new InputError(
          "The part of this page that maps cells could not go on; it may have run out of " +
            "memory. Reload the page and try again.",
        ),
      );
    };
    return worker;
  }

  private giveUp(why: Error): void {
    for (const { reject } of this.waiting.values()) reject(why);
    this.waiting.clear();
  }

  private hear({ id, said }: Asked<Answer>): void {
    const waiting = this.waiting.get(id);
    if (!waiting) return;
    const ended = said.kind === "failed" || said.kind === waiting.last;
    if (!ended) {
      this.watchdog.hear(said.kind === "reading");
      return waiting.hear(said);
    }
    this.watchdog.rest();
    this.waiting.delete(id);
    if (said.kind === "failed") waiting.reject(new InputError(said.sentence));
    else waiting.resolve(said);
  }

  /** The answer of kind `last` ends a question. */
  private ask<K extends Answer["kind"]>(
    said: Ask,
    last: K,
    hear: (answer: Answer) => void = () => undefined,
  ): Promise<Answered<K>> {
    const id = ++this.asked;
    return new Promise((resolve, reject) => {
      const answered = (answer: Answer) => resolve(answer as Answered<K>);
      this.waiting.set(id, { last, hear, resolve: answered, reject });
      this.worker.postMessage({ id, said } satisfies Asked<Ask>);
    });
  }
}
