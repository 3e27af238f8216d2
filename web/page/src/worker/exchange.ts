/** Questions to a worker, and its answers under their numbers. */

import { InputError } from "../errors";
import type { Answer, Ask, Asked } from "./messages";
import { Watchdog } from "./watchdog";

// reading the largest pieces and mapping a block take a few seconds on small machines
const SILENT_MS = 30_000;

export type Answered<K extends Answer["kind"]> = Extract<Answer, { kind: K }>;

/** A question that waits for its last answer. */
interface Waiting {
  last: Answer["kind"];
  hear(answer: Answer): void;
  resolve(answer: Answer): void;
  reject(error: Error): void;
}

/** One worker at a time. What it answers carries the number of the question, and answers to what
 * is not asked any more are not heard. */
export class Exchange {
  private readonly waiting = new Map<number, Waiting>();
  private asked = 0;
  private readonly watchdog: Watchdog;
  private worker: Worker;

  /** `endless` is called when the worker has fallen silent over a file. */
  constructor(
    private readonly startWorker: () => Worker,
    endless: () => void,
  ) {
    this.watchdog = new Watchdog(SILENT_MS, endless);
    this.worker = this.started();
  }

  /** Number of the next question. */
  get next(): number {
    return this.asked + 1;
  }

  /** End the worker, and give up whatever waits; `why` is told by the kind of the last answer. */
  end(why: (last: Answer["kind"]) => Error): void {
    this.worker.terminate();
    this.watchdog.rest();
    this.giveUp(why);
  }

  /** The same, and go on with a new worker. */
  restart(why: (last: Answer["kind"]) => Error): void {
    this.end(why);
    this.worker = this.started();
  }

  /** The answer of kind `last` ends a question. */
  ask<K extends Answer["kind"]>(
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

  private started(): Worker {
    const worker = this.startWorker();
    worker.onmessage = ({ data }: MessageEvent<Asked<Answer>>) => this.hear(data);
    worker.onerror = () => {
      const why = new InputError(
        "The part of this page that maps cells could not go on; it may have run out of " +
          "memory. Reload the page and try again.",
      );
      this.giveUp(() => why);
    };
    return worker;
  }

  private giveUp(why: (last: Answer["kind"]) => Error): void {
    const given = [...this.waiting.values()];
    this.waiting.clear();
    for (const { last, reject } of given) reject(why(last));
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
}
