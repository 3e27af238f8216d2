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
import { type Answered, Exchange } from "./exchange";
import type { Kit } from "./kit";
import type { Answer, Ask, Beside, Finished, Reported, Started } from "./messages";

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

/** Maps files onto one atlas. */
export class Mapper {
  private mapping = 0;
  private file = "";
  private readonly exchange: Exchange;

  constructor(private readonly kit: Kit) {
    this.exchange = new Exchange(kit.startWorker, () => {
      this.restart(
        new InputError(
          say(decisions.files.unreadable, { where: this.file, reason: "there is no end to it" }),
        ),
      );
    });
  }

  /** Open the atlas, again where the worker was given up meanwhile. */
  open(): Promise<Verification> {
    const { wasm, parts } = this.kit;
    return this.opened({ kind: "open", wasm, parts });
  }

  /** Open an atlas that will be asked beside it. */
  openAnother(atlas: Beside): Promise<Verification> {
    return this.opened({ kind: "open another", atlas });
  }

  private async opened(ask: Ask): Promise<Verification> {
    for (;;) {
      try {
        return (await this.ask(ask, "opened")).verification;
      } catch (error) {
        if (!(error instanceof Stopped)) throw error;
      }
    }
  }

  /** Map files as samples of one result, onto other atlases too; whatever is being mapped is given up
   * for them. */
  async map(
    bundles: Bundle[],
    options: MapOptions,
    also: readonly Beside[],
    listener: MapListener,
  ): Promise<Finished> {
    if (this.mapping) this.restart(new Stopped());
    const hear = (answer: Answer) => {
      if (answer.kind === "started") listener.started(answer.started);
      if (answer.kind === "block") listener.block(answer.block, answer.names);
    };
    this.file = bundles.map(({ name }) => name).join(", ");
    const run = (this.mapping = this.exchange.next);
    try {
      return (await this.ask({ kind: "map", bundles, options, also }, "mapped", hear)).finished;
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
    this.mapping = 0;
    this.exchange.restart((last) => (last === "opened" ? new Stopped() : why));
    this.open().catch(() => undefined);
  }

  private ask<K extends Answer["kind"]>(said: Ask, last: K, hear?: (answer: Answer) => void): Promise<Answered<K>> {
    return this.exchange.ask(said, last, hear);
  }
}
