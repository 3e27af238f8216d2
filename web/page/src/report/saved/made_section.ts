/** The end of a report: what its words mean, and with what the mapping was made.
 *
 * Same as `runtime/report/terms.py` and `made.py` of the Python package.
 */

import type { AssumedBatch } from "../../atlas/manifest";
import { hasReference, type Manifest } from "../../atlas/manifest";
import decisions, { say } from "../../decisions";
import { cut, general, grouped } from "../../words";
import { code, details, html, Html, type Inside, joined, name, NOTHING, paragraph, quiet, said, section, table } from "../html";
import { isCalibrated } from "../sentences";
import { meaning, type Term } from "../terms";
import type { Contents } from "./contents";

const { assumed_batch: assumed, columns, report, terms, thresholds: meant } = decisions;
// in the order in which they are told
const TERMS = report.term_order.value as readonly Term[];
// the column that tells of it, where that is not called as the term is
const COLUMNS: Partial<Record<Term, keyof typeof columns>> = {
  unknown: "call",
  broader: "call",
  model_prob: "prob",
  map: "umap",
};

/** What each word means, and which column tells it. */
export function termsSection(c: Contents): Html {
  const rows = TERMS.filter((term) => applies(term, c)).map((term) => {
    const column = isOfGenes(term) ? NOTHING : html` ${quiet(code(columnOf(term)))}`;
    return [html`${terms[term].title}${column}`, meaning(term, c.manifest)];
  });
  const listed = table([], rows, said("terms_caption"), "facts");
  return section("terms", said("terms_title"), details(said("terms_each"), listed));
}

const isOfGenes = (term: Term): boolean => term === "genes" || term === "genes_zero";

function columnOf(term: Term): string {
  return say(columns[COLUMNS[term] ?? (term as keyof typeof columns)], { level: 1 });
}

function applies(term: Term, c: Contents): boolean {
  if (isOfGenes(term)) return term === (c.manifest.fill === "zero" ? "genes_zero" : "genes");
  if (term === "prob" && !isCalibrated(c)) return false;
  if (term === "model_prob" && isCalibrated(c)) return false;
  return c.columns.has(columnOf(term));
}

/** The atlas, versions, thresholds and day of the mapping. */
export function madeSection(c: Contents): Html {
  const { facts, manifest: m, findings } = c;
  const { created, licence, converted_from: converted, authors, attribution } = m.provenance;
  const titles = report.made_rows;
  const stated = report.not_stated;
  const when = { day: cut(created), licence: cut(licence || stated) };
  const software = { cellport: cut(facts.cellport), onnxruntime: cut(facts.onnxruntime), device: cut(facts.device) };
  const took = { seconds: facts.seconds.toFixed(1), cells: grouped(findings.cells) };
  const rows: (Inside[] | null)[] = [
    [titles.atlas, name(m.name)],
    [titles.file, code(facts.atlasSha256)],
    [titles.made, said("made_created", when)],
    converted ? [titles.converted, cut(converted)] : null,
    authors ? [titles.authors, cut(authors)] : null,
    attribution ? [titles.attribution, cut(attribution)] : null,
    m.assumed_batch ? [titles.batch, cut(describeBatch(m.assumed_batch))] : null,
    [titles.organism, cut(m.organism || stated)],
    [titles.query, joined(findings.queries.map(({ file }) => name(file)), ", ")],
    [titles.day, c.made.toISOString().slice(0, 10)],
    [titles.took, said("made_took", took)],
    [titles.software, said("made_software", software)],
    ...thresholdsThatApply(m).map(([key, value]) => [code(key), html`${general(value)} ${quiet(meant[key])}`]),
  ];
  const told = { verify: code("cellport verify"), info: code("cellport info") };
  return section(
    "made",
    said("made_title"),
    table([], rows.filter((row) => row !== null), said("made_caption"), "facts"),
    paragraph(said("made_same", told), "note"),
  );
}

/** Those that decide something in an atlas. */
function thresholdsThatApply(manifest: Manifest): [keyof typeof meant, number][] {
  const without = new Set<string>();
  if (!hasReference(manifest)) without.add("novelty_p");
  if (!isCalibrated({ manifest })) ["set_level", "call_prob"].forEach((key) => without.add(key));
  const all = Object.entries(manifest.thresholds) as [keyof typeof meant, number][];
  return all.filter(([key]) => !without.has(key));
}

/** What stands for the batch of a cell, and how much depends on it. */
function describeBatch({ batches, weights, shift, agreement, cells }: AssumedBatch): string {
  const used = batches.filter((_, i) => weights[i]);
  const stands =
    used.length === 1 ? say(assumed.one, { batch: used[0] }) : say(assumed.several, { n: grouped(used.length) });
  if (shift === null) return stands;
  const share = agreement === null ? "" : `${(100 * agreement).toFixed(1)}%`;
  const kept = agreement === null ? "" : say(assumed.kept, { share, cells });
  return say(assumed.shift, { said: stands, kept, shift: shift.toFixed(2) });
}
