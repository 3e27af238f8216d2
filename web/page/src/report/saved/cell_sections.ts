/** The parts of a report about novelty, spread, quality, clusters and genes.
 *
 * Same as `runtime/report/sections.py` and `cluster_section.py` of the Python package.
 */

import decisions from "../../decisions";
import type { GeneReport } from "../../mapping/provenance";
import { ratioOf } from "../../mapping/spread";
import { counted, cut, general, grouped, shareOf, toEven } from "../../words";
import { code, details, heading, heads, html, Html, joined, name, NOTHING, paragraph, quiet, said, section, strong, table, type Inside } from "../html";
import { countRow, gauge, histogram, shareBar } from "./charts";
import type { Contents } from "./contents";
import { mostFirst } from "./numbers";

const { cautions: rules, columns, report } = decisions;
const ROWS = 40;
const NEAREST = 8;
const MARKERS = 12;
const LONGEST = 600;
const [CLUSTERS, MOST_CLUSTERS] = [15, 500];

/** Cells unlike anything in the atlas. */
export function noveltySection(c: Contents): Html {
  const { gathered: found, findings, manifest } = c;
  const [n, cells] = [findings.novel ?? 0, findings.cells];
  const lie = said("novelty_found", {
    cells: counted(n, "cell"),
    share: shareOf(n, cells),
    expected: grouped(toEven(manifest.thresholds.novelty_p * cells)),
  });
  const bars = found.noveltyBins.map((count) => [count]);
  const ticks = [said("novelty_low"), "0.5", said("novelty_high")];
  const told = said("novelty_bars", { cells: found.noveltyBins[0] }).text;
  return section(
    "novelty",
    said("novelty_title"),
    paragraph(lie),
    novelGroups(c),
    heading(said("novelty_unusual")),
    histogram(bars, ["sure"], ticks, told, { numbers: false, even: true }),
    paragraph(said("novelty_even"), "note"),
    novelTypes(c),
  );
}

function novelGroups({ groups }: Contents): Html {
  if (!groups.length) return NOTHING;
  const items = groups.slice(0, ROWS).map(({ sentence, markers }) => {
    const genes = markers.slice(0, MARKERS).map((gene) => html`<span class="gene">${name(gene)}</span>`);
    const shown = genes.length ? html`<div class="markers">${joined(genes, " ")}</div>` : NOTHING;
    return html`<li>${cut(sentence, LONGEST)}${shown}</li>`;
  });
  return html`${heading(said("novelty_groups"))}<ol class="groups">${items}</ol>`;
}

function novelTypes({ gathered: found, findings }: Contents): Html {
  if (!found.labels.length || !findings.novel) return NOTHING;
  const longest = Math.max(...found.novelByLabel);
  const rows = mostFirst(found.novelByLabel)
    .slice(0, NEAREST)
    .map((label) => {
      const all = found.byLabel[label].reduce((sum, n) => sum + n, 0);
      return countRow(name(found.labels[label]), [["new", found.novelByLabel[label]]], longest, all);
    });
  return table(heads("novel"), rows, said("novelty_types"), "types");
}

/** Whether the cells as a whole are compressed or shifted. */
export function spreadSection({ spread }: Contents): Html {
  if (!spread) return NOTHING;
  const ratio = ratioOf(spread);
  const [low, high] = [rules.compressed_below.value, rules.shifted_above.value];
  let verdict = said("spread_even");
  if (ratio < low) verdict = said("spread_close", { strong: strong(said("spread_closer")) });
  else if (ratio > high) verdict = said("spread_far", { strong: strong(said("spread_further")) });
  const numbers = {
    ratio: ratio.toFixed(2),
    found: spread.found.toFixed(2),
    expected: spread.expected.toFixed(2),
  };
  const means = [said("spread_compressed"), said("spread_expected"), said("spread_shifted")] as const;
  return section(
    "spread",
    said("spread_title"),
    paragraph(said("spread_should", { verdict })),
    gauge(ratio, low, high, means),
    paragraph(said("spread_numbers", numbers), "note"),
  );
}

/** How many cells carry a quality flag. */
export function qualitySection({ findings, manifest }: Contents): Html {
  const words: Record<string, string> = report.quality_words;
  const rows = [...findings.quality]
    .filter(([flag, n]) => n || flag === "ok")
    .map(([flag, n]) =>
      countRow(html`${words[flag]} ${code(flag)}`, [[flag === "ok" ? "sure" : "new", n]], findings.cells, findings.cells),
    );
  const places = { depth: general(manifest.thresholds.low_depth), column: code(columns.quality) };
  return section(
    "quality",
    said("quality_title"),
    paragraph(said("quality_few", places)),
    table(heads("quality"), rows, said("quality_caption"), "types"),
  );
}

/** How many cells fall into each cluster of the atlas, and what they are called. */
export function clusterSection({ gathered: found, calls, findings }: Contents): Html {
  const cells = found.byCluster.map((row) => row.reduce((sum, n) => sum + n, 0));
  if (!cells.some((n) => n)) return NOTHING;
  const longest = Math.max(...cells);
  const rows = mostFirst(cells).map((cluster) => {
    const title = said("clusters_each", { name: name(found.clusters[cluster]) });
    const row = countRow(title, [["sure", cells[cluster]]], longest, findings.cells);
    if (!calls.length) return row;
    const called = found.byCluster[cluster].slice(0, -1);
    const most = called.indexOf(Math.max(...called));
    const share = quiet(`(${shareOf(called[most], cells[cluster])})`);
    return [...row, html`${name(calls[most].name)} ${share}`];
  });
  const head = calls.length ? heads("clusters") : heads("clusters").slice(0, -1);
  const rest = rows.slice(CLUSTERS, MOST_CLUSTERS);
  const shown = (some: readonly Inside[][]) => table(head, some, said("clusters_caption"), "types clusters");
  return section(
    "clusters",
    said("clusters_title"),
    paragraph(said("clusters_why")),
    shown(rows.slice(0, CLUSTERS)),
    rest.length ? details(said("clusters_smaller", { n: rest.length }), shown(rest)) : NOTHING,
  );
}

/** How the genes of each query matched, and what was noticed while reading. */
export function genesSection({ findings, facts, manifest }: Contents): Html {
  const missing = said(manifest.fill === "zero" ? "missing_zero" : "missing_known");
  const parts = [paragraph(said("genes_matched", { missing }))];
  facts.genes.forEach((genes, i) => {
    const { file, field } = findings.queries[i];
    if (facts.genes.length > 1) parts.push(heading(name(file)));
    parts.push(geneFacts(field, genes));
  });
  if (facts.notes.length) {
    const notes = facts.notes.map((note) => html`<li>${cut(note, LONGEST)}</li>`);
    parts.push(html`${heading(said("genes_noticed"))}<ul class="plain">${notes}</ul>`);
  }
  return section("genes", said("genes_title"), ...parts);
}

function geneFacts(field: string, genes: GeneReport): Html {
  const titles = report.genes_rows;
  const { n_matched: matched, n_panel: panel } = genes;
  const rules = Object.entries(genes.by_rule).map(([rule, n]) => said("genes_rule", { genes: grouped(n), rule: cut(rule) }));
  const found = { matched: grouped(matched), panel: grouped(panel), share: shareOf(matched, panel) };
  const several = [
    [titles.ambiguous, genes.n_ambiguous],
    [titles.duplicated, genes.n_duplicated],
  ] as const;
  const rows: Inside[][] = [
    [titles.found, said("genes_found", { ...found, rules: joined(rules, ", ") })],
    [titles.names, said("genes_names", { column: name(genes.column), genes: grouped(genes.n_query) })],
    [titles.organism, cut(genes.organism)],
    ...(field ? [[titles.counts, name(field)]] : []),
    ...several.filter(([, n]) => n).map(([title, n]) => [title, counted(n, "gene")]),
  ];
  const bar = shareBar([["sure", titles.found, matched], ["unknown", titles.missing, panel - matched]], panel, "gene");
  const shown = table([], rows, said("genes_caption"), "facts");
  return html`${bar}${shown}${missingGenes(genes.missing, panel - matched)}`;
}

function missingGenes(genes: readonly string[], missing: number): Html {
  if (!genes.length) return NOTHING;
  const rest = missing - genes.length;
  const more = rest ? said("genes_more", { genes: grouped(rest) }) : NOTHING;
  const listed = html`<p class="genes">${joined(genes.map(name), ", ")}${more}.</p>`;
  return details(said("genes_missing", { genes: counted(missing, "gene") }), listed);
}
