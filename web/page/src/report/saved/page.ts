/** The page of a report: its parts in the order in which people need them.
 *
 * Same as `runtime/report/page.py` of the Python package: a test lays both beside each other.
 */

import sheet from "../../../../../runtime/report/style.css?raw";

import { hasReference } from "../../atlas/manifest";
import decisions from "../../decisions";
import { counted, cut, grouped, shareOf } from "../../words";
import { code, html, Html, type Inside, joined, name, NOTHING, said } from "../html";
import { cautions, fewestGenes, fit, isCalibrated, lead, queriesInWords } from "../sentences";
import { clusterSection, genesSection, noveltySection, qualitySection, spreadSection } from "./cell_sections";
import type { Contents } from "./contents";
import { confidenceSection, labelsSection, queriesSection, unsureSection } from "./label_sections";
import { madeSection, termsSection } from "./made_section";
import { mapSection } from "./map_section";
import { opinionsSection } from "./opinions_section";
import { lineageGenesSection, pathSection } from "./path_section";
import { reasonsSection } from "./reasons_section";

const { columns, values } = decisions;
// nothing may be fetched or run, even if a name were to slip through as markup
const POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'";

/** The report as one HTML page that needs nothing else. */
export function render(c: Contents): string {
  const { queries } = c.findings;
  const plain = queries.length === 1 ? queries[0].file : said("several_files", { files: queries.length });
  const query = plain instanceof Html ? plain : cut(plain);
  const title = said("document", { query, atlas: cut(c.manifest.name) });
  const parts = [
    header(c),
    html`<main>`,
    html`<p class="lead">${lead(c.findings)}</p>`,
    tiles(c),
    first(c),
    ...(c.findings.cells ? aboutCells(c) : []),
    genesSection(c),
    termsSection(c),
    madeSection(c),
    html`</main>
<footer>${said("alone")}</footer>`,
  ];
  return html`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${new Html(POLICY)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title}</title>
<style>${new Html(sheet)}</style>
</head>
<body>
${joined(parts, "\n")}
</body>
</html>
`.markup;
}

function aboutCells(c: Contents): Html[] {
  const parts = [mapSection(c)];
  if (c.gathered.labels.length) {
    const unsure = isCalibrated(c) ? unsureSection(c) : NOTHING;
    parts.push(labelsSection(c), pair(confidenceSection(c), unsure), reasonsSection(c), opinionsSection(c), queriesSection(c));
  }
  parts.push(pathSection(c), lineageGenesSection(c), clusterSection(c));
  if (c.background) parts.push(noveltySection(c));
  return [...parts, pair(spreadSection(c), qualitySection(c))];
}

function header({ made, manifest, findings }: Contents): Html {
  const how = { timeZone: "UTC" } as const;
  const month = made.toLocaleDateString("en-GB", { ...how, month: "long", year: "numeric" });
  const brand = said("brand", { date: `${made.getUTCDate()} ${month}` });
  const title = said("on", { query: queriesInWords(findings), atlas: name(manifest.name) });
  return html`<header><p class="brand">${brand}</p><h1>${title}</h1></header>`;
}

function tiles(c: Contents): Html {
  const { findings, manifest, gathered } = c;
  const { cells: n, outcome, queries } = findings;
  const [sure, left] = [outcome.sure, n - outcome.sure];
  const found: [Inside, string, Inside][] = [[said("tile_cells"), grouped(n), counted(queries.length, "file")]];
  const share = (title: Inside, cells: number) => found.push([title, shareOf(cells, n), counted(cells, "cell")]);
  if (gathered.labels.length && !isCalibrated(c)) share(said("tile_labelled"), sure);
  else if (gathered.labels.length) {
    share(said("tile_sure"), sure);
    share(said("tile_left"), left);
  }
  if (hasReference(manifest)) share(said("tile_novel"), findings.novel ?? 0);
  const { nMatched, nPanel } = fewestGenes(findings);
  const where = said(queries.length === 1 ? "tile_in_query" : "tile_in_fewest");
  found.push([said("tile_genes"), shareOf(nMatched / nPanel, 1), where]);
  const shown = found.map(([title, value, below]) => html`<div><dt>${title}</dt><dd>${value}<small>${below}</small></dd></div>`);
  return html`<dl class="tiles">${shown}</dl>`;
}

function first(c: Contents): Html {
  const steps = firstLook(c).map((step) => html`<li>${step}</li>`);
  const mild = cautions(c.findings)
    .filter(({ serious }) => !serious)
    .map(({ title, text }) => html`<div class="caution mild"><strong>${title}.</strong> ${text}</div>`);
  return html`<section id="first" class="first" aria-labelledby="first-title"><h2 id="first-title">${said("first")}</h2><ol>${steps}</ol>${mild}</section>`;
}

/** What to look at first, most important first. */
function firstLook(c: Contents): Html[] {
  const { findings, gathered, groups } = c;
  const calibrated = isCalibrated(c);
  const steps = cautions(findings)
    .filter(({ serious }) => serious)
    .map(({ where, title, text }) => html`${link(where, title)}. ${text}`);
  const types = fit(findings);
  if (types) steps.push(html`${link("labels", types.title)} ${types.text}`);
  if (groups.length) {
    const title = said("unlike_atlas", { groups: counted(groups.length, "group") });
    steps.push(html`${link("novelty", title)}${said("look_at_markers")}`);
  } else if (findings.outcome.unknown && calibrated) {
    steps.push(html`${link("unsure", said("without_label"))}${said("closest_to")}`);
  }
  if (gathered.nOn) {
    const share = shareOf(gathered.nOn, findings.cells);
    steps.push(html`${link("path", said("how_far"))}${said("on_path", { share })}`);
  }
  if (gathered.labels.length && calibrated) {
    const places = { column: code(columns.call), where: said("of_result"), unknown: code(values.unknown) };
    steps.push(said("work_on", places));
  }
  return steps;
}

function link(anchor: string, words: Inside): Html {
  return html`<a href="#${anchor}">${words}</a>`;
}

function pair(left: Html, right: Html): Html {
  if (!left.markup || !right.markup) return left.markup ? left : right;
  return html`<div class="pair">
${left}
${right}
</div>`;
}
