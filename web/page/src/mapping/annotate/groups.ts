/** The label of most cells of each group, when asked for, beside a cell's own.
 *
 * Same as `runtime/mapping/annotate/groups.py` of the Python package. What most cells of a group are
 * labelled is known when all were seen: blocks hold columns that are still empty, and `columns` has
 * those of the whole query.
 */

import type { Manifest } from "../../atlas/manifest";
import decisions, { say } from "../../decisions";
import { InputError } from "../../errors";
import { codeOf } from "../../sources/codes";
import { asTexts } from "../../sources/frame";
import type { Frame } from "../../sources/source";
import { grouped } from "../../words";
import { findCentres, nearestCentre, type Rows } from "../centres";
import type { MappedBlock, ResultColumn } from "../columns";
import { shuffled } from "../random";
import type { Annotator } from "./annotator";

const { columns: names, files, groups: rules } = decisions;
const LISTED = 8;

/** Group of each cell by a column of the query, -1 where it is empty; null for groups to be made. */
export function statedGroups(cells: Frame, manifest: Manifest, column: string): Int32Array | null {
  if (!manifest.labels.length) {
    throw new InputError(say(rules.no_labels, { atlas: manifest.name }));
  }
  if (column === rules.auto) return null;
  const { where } = cells;
  if (!cells.columns.includes(column)) {
    throw new InputError(say(files.no_column, { where, column, near: listed(cells.columns) }));
  }
  const values = asTexts(cells.column(column));
  const codes = new Map<string, number>();
  const groups = Int32Array.from(values, (value) => (value === "" ? -1 : codeOf(codes, value)));
  if (!codes.size) throw new InputError(say(rules.empty_column, { column }));
  const most = rules.most_groups.value;
  if (codes.size > most) {
    throw new InputError(say(rules.too_many, { column, groups: codes.size, most }));
  }
  return groups;
}

function listed(columns: readonly string[]): string {
  if (!columns.length) return "There is none at all.";
  const more = columns.length > LISTED ? ` and ${grouped(columns.length - LISTED)} more` : "";
  const some = columns.slice(0, LISTED).map((name) => `'${name}'`).join(", ");
  return `There are: ${some}${more}.`;
}

/** Groups, their labels, and the share of their cells with it, of some cells. */
function columnsOf(
  groups: Int32Array | null,
  labels: string[],
  label: Int32Array,
  share: Float32Array,
): ResultColumn[] {
  const most = groups ? groups.reduce((most, group) => Math.max(most, group), -1) : -1;
  const categories = Array.from({ length: most + 1 }, (_, group) => String(group));
  return [
    ...(groups
      ? [{ name: names.group, kind: "category", categories, values: groups, free: true } as const]
      : []),
    { name: names.group_label, kind: "category", categories: labels, values: label },
    { name: names.group_share, kind: "float", values: share },
  ];
}

/** Gathers the labels of a query's cells, and where they lie where groups are to be made of that. */
export class GroupVotes {
  /** -1 of empty cells, which do not vote. */
  private readonly label: Int32Array;
  private readonly latent: Rows;

  constructor(
    private readonly manifest: Manifest,
    private readonly stated: Int32Array | null,
    nCells: number,
  ) {
    this.label = new Int32Array(nCells).fill(-1);
    const width = manifest.n_latent;
    this.latent = { width, values: new Float32Array(stated ? 0 : nCells * width) };
  }

  /** Columns that are empty until all cells were seen. */
  get annotate(): Annotator {
    return ({ library: { length: n } }) => ({
      columns: columnsOf(
        this.stated ? null : new Int32Array(n).fill(-1),
        this.manifest.labels,
        new Int32Array(n).fill(-1),
        new Float32Array(n).fill(NaN),
      ),
    });
  }

  add({ start, columns, matrices }: MappedBlock, library: Float64Array): void {
    const best = columns.find(({ name }) => name === names.label)!.values;
    library.forEach((counts, cell) => (this.label[start + cell] = counts > 0 ? best[cell] : -1));
    if (this.stated) return;
    const { values } = matrices.find(({ name }) => name === names.latent)!;
    this.latent.values.set(values, start * this.latent.width);
  }

  /** What each cell's group is labelled; `alive` is called while groups are made. */
  columns(alive: () => void = () => undefined): ResultColumn[] {
    const everyCell = this.label.map((_, cell) => cell);
    const { group, voters } = this.stated
      ? { group: this.stated, voters: everyCell }
      : this.near(alive);
    const { label, share } = this.majority(group, voters);
    return columnsOf(
      this.stated ? null : group,
      this.manifest.labels,
      group.map((one) => (one < 0 ? -1 : label[one])),
      Float32Array.from(group, (one) => (one < 0 ? NaN : share[one])),
    );
  }

  /** Groups of cells near each other, and the cells whose labels are counted. */
  private near(alive: () => void): { group: Int32Array; voters: Int32Array } {
    const full = shuffled(this.label.length).filter((cell) => this.label[cell] >= 0);
    const voters = full.subarray(0, rules.cells_counted.value);
    const some = full.subarray(0, rules.cells_grouped.value);
    const group = new Int32Array(this.label.length).fill(-1);
    if (!full.length) return { group, voters };
    const root = Math.floor(Math.sqrt(some.length));
    const n = Math.min(rules.by_root.value * root, some.length);
    const centres = findCentres(this.rows(some), n, alive);
    nearestCentre(centres, this.latent, alive).forEach((centre, cell) => {
      if (this.label[cell] >= 0) group[cell] = centre;
    });
    return { group, voters };
  }

  private rows(cells: Int32Array): Rows {
    const { width, values } = this.latent;
    const some = new Float32Array(cells.length * width);
    cells.forEach((cell, row) => {
      some.set(values.subarray(cell * width, (cell + 1) * width), row * width);
    });
    return { width, values: some };
  }

  /** Label of most cells of each group, of equally many the first, and their share. */
  private majority(group: Int32Array, voters: Int32Array): { label: Int32Array; share: Float32Array } {
    const { length: nLabels } = this.manifest.labels;
    const n = group.reduce((most, one) => Math.max(most, one), -1) + 1;
    const votes = new Int32Array(n * nLabels);
    for (const cell of voters) {
      if (group[cell] >= 0 && this.label[cell] >= 0) votes[group[cell] * nLabels + this.label[cell]]++;
    }
    const label = new Int32Array(n).fill(-1);
    const share = new Float32Array(n).fill(NaN);
    for (let g = 0; g < n; g++) {
      const own = votes.subarray(g * nLabels, (g + 1) * nLabels);
      const cells = own.reduce((sum, count) => sum + count, 0);
      if (!cells) continue;
      label[g] = own.indexOf(own.reduce((most, count) => Math.max(most, count), 0));
      share[g] = own[label[g]] / cells;
    }
    return { label, share };
  }
}
