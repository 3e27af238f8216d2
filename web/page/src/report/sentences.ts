/** What the report and the page say in sentences, of the same cells in the same words.
 *
 * Same as `runtime/report/words.py` of the Python package.
 */

import { givesProb, hasReference, type Manifest } from "../atlas/manifest";
import decisions from "../decisions";
import { weighsGenes } from "../mapping/coverage";
import { counted, cut, general, grouped, shareOf } from "../words";
import type { Brought, Findings } from "./findings";
import { filled, html, Html, type Inside, joined, name, names, said, strong } from "./html";

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
  title: Html;
  text: Html;
  /** Section of a report that tells more. */
  where: string;
  /** Whether it may make labels wrong. */
  serious: boolean;
}

export function lead(f: Findings): Html {
  const { manifest } = f;
  const told = [
    said("laid", {
      cells: strong(counted(f.cells, "cell")),
      query: queriesInWords(f),
      were: f.cells === 1 ? "was" : "were",
      atlas: name(manifest.name),
      known: knownOf(f),
    }),
  ];
  if (f.cells && manifest.labels.length) told.push(labelled(f));
  if (f.cells && hasReference(manifest)) told.push(unlike(f));
  told.push(genesOf(f));
  return joined(told, " ");
}

/** Name of the query, or how many there are. */
export function queriesInWords({ queries }: Pick<Findings, "queries">): Html {
  return queries.length === 1 ? name(queries[0].file) : said("several_files", { files: queries.length });
}

function knownOf({ manifest, nReference }: Findings): Html {
  const types = manifest.labels.length ? counted(manifest.labels.length, "type") : "";
  if (!hasReference(manifest)) return types ? html`${types}` : said("known_nothing");
  const cells = counted(nReference, "reference cell");
  return types ? said("known_cells", { cells, types }) : said("known_cells_alone", { cells });
}

/** Whether the atlas tells sure labels from doubtful ones. */
export function isCalibrated({ manifest }: Pick<Findings, "manifest">): boolean {
  return manifest.head.set_prob.length > 0;
}

function labelled(f: Findings): Html {
  if (!isCalibrated(f)) {
    const kind = said(givesProb(f.manifest) ? "most_likely" : "nearest_type");
    return said("every_cell", { kind });
  }
  const { sure, broader, unknown } = f.outcome;
  const share = (n: number) => shareOf(n, f.cells);
  const told = [said("called", { share: strong(share(sure)) })];
  if (broader) told.push(said("called_broader", { share: share(broader) }));
  if (unknown) told.push(said("called_nothing", { share: share(unknown) }));
  return html`${told}.`;
}

function unlike({ novel, cells }: Findings): Html {
  if (!novel) return said("none_novel");
  return said("some_novel", {
    cells: strong(counted(novel, "cell")),
    share: shareOf(novel, cells),
    look: novel === 1 ? "looks" : "look",
  });
}

/** The share of the atlas's genes in the query that has the fewest. */
export function fewestGenes({ queries }: Pick<Findings, "queries">): Brought {
  return queries.reduce((least, one) => (shareFound(one) < shareFound(least) ? one : least));
}

const shareFound = ({ nMatched, nPanel }: Brought): number => nMatched / nPanel;

function genesOf(f: Findings): Html {
  const { nMatched, nPanel } = fewestGenes(f);
  const panel = grouped(nPanel);
  const one = f.queries.length === 1;
  if (nMatched === nPanel) {
    const genes = said("all_genes", { panel });
    return one ? said("genes_of_one", { genes }) : said("genes_of_each", { genes });
  }
  const genes = said("some_genes", { matched: grouped(nMatched), panel });
  return one ? said("genes_of_one", { genes }) : said("genes_at_least", { genes });
}

/** What may have gone wrong: the serious first, the worst of it before the rest. */
export function cautions(f: Findings): Caution[] {
  const order = rules.order.value;
  const rank = ({ kind, serious }: Caution) => order.indexOf(kind) + (serious ? 0 : order.length);
  const found = [...aboutGenes(f), ...aboutCells(f), ...aboutAll(f), ...aboutCounts(f)];
  return found.sort((a, b) => rank(a) - rank(b));
}

function caution(kind: Kind, where: string, places: Record<string, Inside> = {}, serious = true): Caution {
  const { title, text } = rules[kind];
  return { kind, title: filled(title, places), text: filled(text, places), where, serious };
}

function* aboutGenes({ manifest, queries }: Findings): Generator<Caution> {
  const short = queries.filter(({ coverage }) => !coverage.enough);
  if (short.length) {
    const share = shareOf(Math.min(...short.map(({ coverage }) => coverage.share)), 1);
    const enough = shareOf(manifest.thresholds.low_gene_coverage, 1);
    const files = names(short.map(({ file }) => file));
    const kind = weighsGenes(manifest) ? "weak_genes" : "few_genes";
    yield caution(kind, "genes", { share, enough, files });
  }
  const meant = manifest.organism;
  const others = queries.filter(({ organism }) => meant && organism && organism !== meant);
  if (others.length) {
    const files = names(others.map(({ file }) => file));
    yield caution("organism", "genes", { files, organism: cut(meant) });
  }
}

function* aboutCells(f: Findings): Generator<Caution> {
  const { manifest, novel, quality } = f;
  const n = Math.max(f.cells, 1);
  const { low_depth: depth, novelty_p: chance } = manifest.thresholds;
  const [shallow, empty] = ["low_depth", "empty"].map((flag) => quality.get(flag) ?? 0);
  if (shallow >= rules.many_shallow.value * n) {
    yield caution("shallow", "quality", { share: shareOf(shallow, n), depth: general(depth) });
  }
  if (empty) {
    const serious = empty >= rules.many_shallow.value * n;
    yield caution("empty", "quality", { cells: counted(empty, "cell") }, serious);
  }
  if (manifest.labels.length && !isCalibrated(f)) {
    const text = html`${describeLabels(manifest)}`;
    yield { kind: "unsure", title: html`${rules.unsure}`, text, where: "confidence", serious: true };
  }
  const { unknown } = f.outcome;
  if (unknown >= rules.many_unknown.value * n) {
    const where = isCalibrated(f) ? "unsure" : "quality";
    yield caution("unlabelled", where, { share: shareOf(unknown, n) });
  }
  const many = Math.max(rules.novel_by_chance.value * chance, rules.many_novel.value) * n;
  if (novel !== null && novel >= many) {
    yield caution("strange", "novelty", { share: shareOf(novel, n), chance: shareOf(chance, 1) });
  }
}

/** What labels are worth that nothing was held out for. */
export function describeLabels(manifest: Manifest): string {
  return givesProb(manifest) ? rules.uncalibrated : rules.nearest;
}

function* aboutAll({ spread }: Findings): Generator<Caution> {
  if (spread === null) return;
  if (spread < rules.compressed_below.value) yield caution("compressed", "spread");
  else if (spread > rules.shifted_above.value) yield caution("shifted", "spread");
}

function* aboutCounts({ queries }: Findings): Generator<Caution> {
  const fields = new Set(queries.map(({ field }) => field));
  for (const field of [...fields].filter((one) => one && one !== "X").sort()) {
    const files = names(queries.filter((query) => query.field === field).map(({ file }) => file));
    yield caution("elsewhere", "genes", { field: name(field), files }, false);
  }
}

/** Notes of the reading, without what a caution says too. */
export function unsaid(notes: readonly string[], { queries }: Findings): string[] {
  const few = new Set(queries.map(({ coverage }) => coverage.note));
  return notes.filter((note) => !few.has(note));
}

/** The most common types, which tell soonest whether something is wrong; null without any. */
export function fit({ calls, cells }: Findings): { title: string; text: Html } | null {
  const sure = calls.filter(({ outcome }) => outcome === "sure").slice(0, 3);
  if (!sure.length) return null;
  const types = joined(sure.map((one) => html`${name(one.name)} (${shareOf(one.cells, cells)})`), ", ");
  return { title: report.fit, text: said("fit_types", { types }) };
}
