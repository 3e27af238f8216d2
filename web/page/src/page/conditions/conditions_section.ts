/** Conditions compared, with samples as the replicates: a sentence, a bar a sample, and tables. */

import { type Change, changes, meanChanges } from "../../compare/composition";
import type { Composition } from "../../compare/crossed";
import { type Design, designs, referenceLevel } from "../../compare/design";
import { type Named, readStudy, type Study } from "../../compare/study";
import decisions from "../../decisions";
import { InputError, sentence } from "../../errors";
import type { Column } from "../../sources/source";
import { grouped, shareOf, short } from "../../words";
import { fill, h } from "../dom";
import type { FileResults } from "../file_results";
import { groupsOf } from "../groups/composition";
import { stackedBar } from "../groups/stacked_bar";
import type { Entry } from "../map/colouring";
import { SortedTable, type TableColumn } from "../tables/sorted_table";
import { titleOf } from "../titles";
import { inAWord } from "./words";

const { columns, compare } = decisions;
const KINDS: Record<string, string> = compare.kinds;
const MEANS = "pseudotime mean";
const ASKED = {
  sample: ["Samples", "Choose a column…"],
  condition: ["Conditions", "Choose a column…"],
  pairs: ["Within pairs of", "No pairs"],
  batch: ["Batches held even", "No batches"],
} as const;
type Asked = keyof typeof ASKED;

export interface ConditionsActions {
  /** Read a column of the files. */
  column(name: string): Promise<Column>;
  /** Marks of the calls as they are on the map. */
  marks(): readonly Entry[];
}

export class ConditionsSection {
  private readonly chosen = Object.fromEntries(
    Object.keys(ASKED).map((what) => [what, h("select", { id: `compare-${what}`, onchange: () => void this.compare(null) })]),
  ) as Record<Asked, HTMLSelectElement>;
  private readonly shown = h("div", { class: "groups", role: "status" });
  private results: FileResults | null = null;
  private asked = 0;

  constructor(
    private readonly element: HTMLElement,
    private readonly actions: ConditionsActions,
  ) {}

  forget(): void {
    this.asked++;
    this.results = null;
    this.element.hidden = true;
    fill(this.element);
  }

  /** Offer the columns of the files, where cells have labels. */
  offer(results: FileResults): void {
    this.results = results;
    const { obsColumns } = results.started;
    const several = results.category(columns.query) !== null;
    this.element.hidden = !obsColumns.length || !results.category(columns.label);
    const option = (name: string) => h("option", { value: name }, name === columns.query ? titleOf(name) : name);
    for (const [what, [, none]] of choices()) {
      const names = several && what === "sample" ? [columns.query, ...obsColumns] : obsColumns;
      fill(this.chosen[what], h("option", { value: "" }, none), ...names.map(option));
    }
    this.chosen.sample.value = several ? columns.query : "";
    fill(this.shown);
    fill(
      this.element,
      h("h2", { id: "conditions-title" }, "Compare conditions"),
      h("p", { class: "quiet" }, compare.one_observation),
      h(
        "div",
        { class: "tools" },
        ...choices().flatMap(([what, [title]]) => [h("label", { for: `compare-${what}` }, title), this.chosen[what]]),
      ),
      this.shown,
    );
  }

  /** Compare what was chosen with a condition, or with the usual one. */
  private async compare(reference: string | null): Promise<void> {
    const asked = ++this.asked;
    const { results } = this;
    fill(this.shown);
    const { sample, condition } = this.chosen;
    if (!results || !sample.value || !condition.value) return;
    try {
      const told = {
        sample: await this.named(sample.value),
        condition: await this.named(condition.value),
        pairs: await this.namedIfAny("pairs"),
        batch: await this.namedIfAny("batch"),
      };
      if (asked !== this.asked) return;
      const study = readStudy(results, told);
      const chosen = reference ?? referenceLevel(study.samples.condition);
      this.show(results, study, designs(study.samples, chosen), chosen);
    } catch (error) {
      if (asked === this.asked) fill(this.shown, h("p", {}, sentence(error)));
    }
  }

  private async named(column: string): Promise<Named> {
    return { column, of: namesIn(await this.actions.column(column), column) };
  }

  private async namedIfAny(what: Asked): Promise<Named | null> {
    const { value } = this.chosen[what];
    return value ? this.named(value) : null;
  }

  private show(results: FileResults, study: Study, compared: readonly Design[], reference: string): void {
    const found = study.compositions.map((composition): [string, Change[]] => {
      return [composition.kind, compared.flatMap((design) => changes(composition, design))];
    });
    const means = compared.flatMap((design) => meanChanges(study.onWay, design));
    if (means.length) found.push([MEANS, means]);
    const told = compared.flatMap(({ notes, refusal }) => [...notes, refusal]).filter((text) => text);
    const said = [...study.notes, ...new Set(told)];
    const [[, first]] = found;
    fill(
      this.shown,
      this.choiceOf(study, reference),
      h("p", { class: "told-first" }, inAWord(first)),
      ...said.map((text) => h("p", {}, text)),
      this.bars(study, study.compositions[0]),
      ...found.map(([kind, some], at) =>
        h("details", { open: at === 0 }, h("summary", {}, KINDS[kind]), tableOf(kind, some, `${results.title}_${kind}`)),
      ),
      h("p", { class: "quiet" }, `${compare.shares}.`),
    );
  }

  private choiceOf({ samples }: Study, reference: string): HTMLElement {
    const change = (event: Event) => void this.compare((event.target as HTMLSelectElement).value);
    const known = [...new Set(samples.condition)].sort();
    const options = known.map((name) => h("option", { value: name, selected: name === reference }, name));
    return h(
      "div",
      { class: "tools" },
      h("label", { for: "compare-reference" }, "Compared with"),
      h("select", { id: "compare-reference", onchange: change }, ...options),
    );
  }

  /** One bar a sample, those of one condition together. */
  private bars({ samples }: Study, { categories, cells }: Composition): HTMLElement {
    const marks = new Map(this.actions.marks().map(({ name, mark }) => [name, mark]));
    const rows = samples.names.map((name, at) => {
      const parts = categories.map((category, k) => ({ name: category, cells: cells[at][k] }));
      const all = parts.reduce((sum, one) => sum + one.cells, 0);
      return { name, condition: samples.condition[at], all, bar: stackedBar(parts, all, marks) };
    });
    const table = new SortedTable(
      rows,
      [
        { title: "Sample", value: (row) => row.name, show: (row) => row.name },
        { title: "Condition", value: (row) => row.condition, show: (row) => row.condition },
        { title: "Cells", kind: "number", value: (row) => row.all, show: (row) => grouped(row.all) },
        { title: "", kind: "stack", value: () => null, show: (row) => row.bar },
      ],
      { name: "Samples", file: `${this.results!.title}_samples` },
    );
    return table.element;
  }
}

/** The name of a column's value in each cell. */
function namesIn(column: Column, name: string): (cell: number) => string {
  const groups = groupsOf(column);
  if (!groups) throw new InputError(`The column '${name}' holds numbers that name no groups; choose another.`);
  return (cell) => groups.names[groups.codes[cell]] ?? "";
}

const choices = () => Object.entries(ASKED) as [Asked, (typeof ASKED)[Asked]][];

function tableOf(kind: string, rows: readonly Change[], file: string): HTMLElement {
  const number = (title: string, value: (row: Change) => number, show: (value: number) => string) => ({
    title,
    kind: "number",
    value: (row: Change) => (Number.isFinite(value(row)) ? value(row) : null),
    show: (row: Change) => (Number.isFinite(value(row)) ? show(value(row)) : "–"),
  });
  const isMean = kind === MEANS;
  const share = isMean ? short : (value: number) => shareOf(value, 1);
  const change = (value: number) => (isMean ? value : 2 ** value);
  const [there, here, by] = isMean ? ["Mean there", "Mean here", "More by"] : ["Share there", "Share here", "Times"];
  const told: TableColumn<Change>[] = [
    { title: "Category", value: (row) => row.category, show: (row) => row.category },
    { title: "Against", value: (row) => row.reference, show: (row) => row.reference },
    { title: "In", value: (row) => row.level, show: (row) => row.level },
    number(there, (row) => row.meanReference, share),
    number(here, (row) => row.meanLevel, share),
    number(by, (row) => change(row.change), short),
    number("95 % from", (row) => change(row.low), short),
    number("to", (row) => change(row.high), short),
    number("p", (row) => row.p, short),
    number("Adjusted", (row) => row.pAdjusted, short),
    {
      title: "Note",
      kind: "said",
      value: (row) => row.note,
      show: (row) => (row.note.startsWith("No p-value") ? "–" : row.note),
    },
  ];
  return new SortedTable(rows, told, { name: `Changes, ${KINDS[kind]}`, file }).element;
}
