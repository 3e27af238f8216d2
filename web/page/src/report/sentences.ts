/** What the report says in sentences, of the same cells in the same words.
 *
 * Same as `runtime/report/words.py` of the Python package.
 */

import { givesProb, hasReference } from "../atlas/manifest";
import decisions, { type Places, say } from "../decisions";
import { counted, cut, grouped, shareOf } from "../words";
import type { Findings } from "./findings";

const { cautions: rules, report } = decisions;

type Kind =
  | "organism"
  | "few_genes"
  | "weak_genes"
  | "unlabelled"
  | "strange"
  | "shifted"
  | "compressed"
  | "shallow"
  | "empty"
  | "elsewhere";

/** Something to know before the results are used: what it is, what it means, what to do. */
export interface Caution {
  kind: Kind | "unsure";
  title: string;
  text: string;
  /** Whether it may make labels wrong. */
  serious: boolean;
}

export function lead(f: Findings): string {
  const { manifest } = f;
  const told = [
    say(report.laid, {
      cells: counted(f.cells, "cell"),
      query: cut(f.file),
      were: f.cells === 1 ? "was" : "were",
      atlas: cut(manifest.name),
      known: knownOf(f),
    }),
  ];
  if (f.cells && manifest.labels.length) told.push(labelled(f));
  if (f.cells && hasReference(manifest)) told.push(unlike(f));
  told.push(genesOf(f));
  return told.join(" ");
}

function knownOf({ manifest, nReference }: Findings): string {
  const types = manifest.labels.length ? counted(manifest.labels.length, "type") : "";
  if (!hasReference(manifest)) return types || report.known_nothing;
  const cells = counted(nReference, "reference cell");
  return types ? say(report.known_cells, { cells, types }) : say(report.known_cells_alone, { cells });
}

/** Whether the atlas tells sure labels from doubtful ones. */
export function isCalibrated({ manifest }: Pick<Findings, "manifest">): boolean {
  return manifest.head.set_prob.length > 0;
}

function labelled(f: Findings): string {
  if (!isCalibrated(f)) {
    const kind = givesProb(f.manifest) ? report.most_likely : report.nearest_type;
    return say(report.every_cell, { kind });
  }
  const { sure, broader, unknown } = f.outcome;
  const share = (n: number) => shareOf(n, f.cells);
  return [
    say(report.called, { share: share(sure) }),
    broader ? say(report.called_broader, { share: share(broader) }) : "",
    unknown ? say(report.called_nothing, { share: share(unknown) }) : "",
    ".",
  ].join("");
}

function unlike({ novel, cells }: Findings): string {
  if (!novel) return report.none_novel;
  return say(report.some_novel, {
    cells: counted(novel, "cell"),
    share: shareOf(novel, cells),
    look: novel === 1 ? "looks" : "look",
  });
}

function genesOf({ nMatched, nPanel }: Findings): string {
  const panel = grouped(nPanel);
  const genes =
    nMatched === nPanel
      ? say(report.all_genes, { panel })
      : say(report.some_genes, { matched: grouped(nMatched), panel });
  return say(report.genes_of_one, { genes });
}

/** What may have gone wrong: the serious first, the worst of it before the rest. */
export function cautions(f: Findings): Caution[] {
  const order = rules.order.value;
  const rank = ({ kind, serious }: Caution) => order.indexOf(kind) + (serious ? 0 : order.length);
  return [...aboutGenes(f), ...aboutCells(f), ...aboutAll(f)].sort((a, b) => rank(a) - rank(b));
}

function caution(kind: Kind, places: Places = {}, serious = true): Caution {
  const { title, text } = rules[kind];
  return { kind, title: say(title, places), text: say(text, places), serious };
}

function* aboutGenes(f: Findings): Generator<Caution> {
  const { manifest, coverage, organism, field } = f;
  const files = cut(f.file);
  if (!coverage.enough) {
    const enough = shareOf(manifest.thresholds.low_gene_coverage, 1);
    const kind = coverage.ofLabels ? "weak_genes" : "few_genes";
    yield caution(kind, { share: shareOf(coverage.share, 1), enough, files });
  }
  const meant = manifest.organism;
  if (meant && organism && organism !== meant) {
    yield caution("organism", { files, organism: cut(meant) });
  }
  if (field && field !== "X") yield caution("elsewhere", { field: cut(field), files }, false);
}

function* aboutCells(f: Findings): Generator<Caution> {
  const { manifest, novel, quality } = f;
  const n = Math.max(f.cells, 1);
  const { low_depth: depth, novelty_p: chance } = manifest.thresholds;
  const [shallow, empty] = ["low_depth", "empty"].map((flag) => quality.get(flag) ?? 0);
  if (shallow >= rules.many_shallow.value * n) {
    yield caution("shallow", { share: shareOf(shallow, n), depth: Number(depth.toPrecision(6)) });
  }
  if (empty) {
    const serious = empty >= rules.many_shallow.value * n;
    yield caution("empty", { cells: counted(empty, "cell") }, serious);
  }
  if (manifest.labels.length && !isCalibrated(f)) {
    const text = givesProb(manifest) ? rules.uncalibrated : rules.nearest;
    yield { kind: "unsure", title: rules.unsure, text, serious: true };
  }
  const { unknown } = f.outcome;
  if (unknown >= rules.many_unknown.value * n) {
    yield caution("unlabelled", { share: shareOf(unknown, n) });
  }
  const many = Math.max(rules.novel_by_chance.value * chance, rules.many_novel.value) * n;
  if (novel !== null && novel >= many) {
    yield caution("strange", { share: shareOf(novel, n), chance: shareOf(chance, 1) });
  }
}

function* aboutAll({ spread }: Findings): Generator<Caution> {
  if (spread === null) return;
  if (spread < rules.compressed_below.value) yield caution("compressed");
  else if (spread > rules.shifted_above.value) yield caution("shifted");
}

/** Notes of the reading, without what a caution says too. */
export function unsaid(notes: readonly string[], f: Findings): string[] {
  return notes.filter((note) => note !== f.coverage.note);
}

/** The most common types, which tell soonest whether something is wrong; null without any. */
export function fit({ calls, cells }: Findings): { title: string; text: string } | null {
  const sure = calls.filter(({ outcome }) => outcome === "sure").slice(0, 3);
  if (!sure.length) return null;
  const types = sure.map((one) => `${cut(one.name)} (${shareOf(one.cells, cells)})`).join(", ");
  return { title: report.fit, text: say(report.fit_types, { types }) };
}
