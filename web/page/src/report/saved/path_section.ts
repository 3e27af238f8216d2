/** The parts of a report about the trajectory: the path, the fates, and genes along it.
 *
 * Same as `runtime/report/path_section.py` of the Python package.
 */

import { edgeNames, panelNames, rootsOf, terminalNames } from "../../atlas/manifest";
import { courseOf, positions } from "../../atlas/trajectory";
import decisions from "../../decisions";
import { agreementOf, changesOf, FEWEST_CELLS, type LineageGene, logLevel, stepsOf } from "../../mapping/lineages";
import { counted, general, grouped, shareOf } from "../../words";
import { code, details, heading, heads, html, Html, type Inside, name, names, NOTHING, paragraph, quiet, said, section, strong, table } from "../html";
import { countRow, type MapLabel, type Placed, scatter } from "./charts";
import type { Contents, Path } from "./contents";
import { BOUND, EDGE_BINS } from "./gathered";
import { pointsOf } from "./map_section";
import { alongEdge, figures, geneCurve, TIMES, timeKey, Ways } from "./path_charts";

const { report } = decisions;
const [EDGES, LINEAGES, GENES, MOST] = [12, 6, 12, 60];
const [FOLLOWS, ROUGHLY] = [0.8, 0.4];
// genes that change most, of which is said how many take the same course
const COMPARED = 100;

/** Where the cells lie on the atlas's trajectory, and what they are bound for. */
export function pathSection(c: Contents): Html {
  const { path } = c;
  if (!path || !c.findings.cells) return NOTHING;
  return section(
    "path",
    said("path_title"),
    paragraph(html`${course(path)}${said("path_time")}`),
    paragraph(howMany(c)),
    map(c, path),
    heading(said("path_parts")),
    ...edges(c, path),
    fates(c, path),
  );
}

/** Genes that change most along each lineage, in the atlas and in the query. */
export function lineageGenesSection(c: Contents): Html {
  const { path, queryLineages: query, manifest } = c;
  if (!path) return NOTHING;
  const ours = said(query ? "lineage_dots" : "lineage_no_counts");
  const freed = manifest.batches.length > 1 ? said("lineage_freed") : "";
  const parts = terminalNames(path.graph)
    .slice(0, MOST)
    .map((terminal, lineage) => {
      const way = said("lineage_way", { roots: names(rootsOn(path, lineage)), terminal: name(terminal) });
      return html`${heading(way)}${genesOf(c, path, lineage)}`;
    });
  const rest = parts.slice(LINEAGES);
  const all = { command: code("cellport map --lineage-genes FILE.csv"), call: code("atlas.lineage_genes()") };
  return section(
    "lineage-genes",
    said("lineage_title"),
    paragraph(said("lineage_read", { freed, ours })),
    ...parts.slice(0, LINEAGES),
    details(counted(rest.length, "further way"), html`${rest}`),
    paragraph(said("lineage_all", all), "note"),
  );
}

function howMany({ gathered: found, findings }: Contents): Html {
  const off = findings.cells - found.nOn;
  const on = said("path_on", {
    cells: strong(counted(found.nOn, "cell")),
    share: shareOf(found.nOn, findings.cells),
    lie: found.nOn === 1 ? "lies" : "lie",
  });
  const beside = off ? said("path_off", { cells: grouped(off) }) : NOTHING;
  const sd = found.nOn ? said("path_sd", { sd: found.meanSd.toFixed(2) }) : NOTHING;
  return html`${on}${beside}${sd}.`;
}

function course(path: Path): Html {
  const { graph } = path;
  const told = said("path_course", { roots: names(rootsOf(graph)), terminals: names(terminalNames(graph), 8) });
  return html`${told}${isCircular(path) ? said("path_circle") : NOTHING}`;
}

/** Whether two ways end at one place: the far side of a circle. */
function isCircular(path: Path): boolean {
  const at = positions(path);
  const places = path.graph.terminals.map((end) => `${at[2 * end]} ${at[2 * end + 1]}`);
  return new Set(places).size < places.length;
}

function map(c: Contents, path: Path): Html {
  const { sample } = c.gathered;
  const cells = [...sample.time.keys()].filter((i) => Number.isFinite(sample.point[2 * i] + sample.point[2 * i + 1]));
  const step = (i: number) => Math.min(Math.max(Math.floor(sample.time[i] * TIMES), 0), TIMES - 1);
  const off = cells.filter((i) => Number.isNaN(sample.time[i]));
  const on = cells.filter((i) => !Number.isNaN(sample.time[i]));
  const beside = off.length ? [{ kind: "kx", at: pointsOf(sample, off) }] : [];
  const timed = Array.from({ length: TIMES }, (_, k) => {
    return { kind: `t${k}`, at: pointsOf(sample, on.filter((i) => step(i) === k)) };
  });
  const { graph } = path;
  const { milestones } = graph;
  const at = positions(path);
  const labels = milestones.map((title, i): MapLabel => ({ mark: i + 1, title, at: [at[2 * i], at[2 * i + 1]] }));
  const [roots, terminals] = [rootsOf(graph).join(", "), terminalNames(graph).join(", ")];
  const told = said("path_said", { cells: grouped(cells.length), roots, terminals }).text;
  const ways = (placed: Placed) => waysOf(path, placed);
  const reference = { kind: "ref", at: c.background!.point };
  const drawing = scatter(reference, [...beside, ...timed], labels, told, ways);
  const legend = milestones
    .slice(0, MOST)
    .map((title, i) => html`<li>${strong(String(i + 1))} ${name(title)} ${quiet(partOf(path, i))}</li>`);
  if (off.length) legend.push(html`<li><span class="swatch kx"></span>${said("path_beside")}</li>`);
  return html`<div class="mapbox pathbox">${drawing}${timeKey(said("path_start"), said("path_end"))}<ul class="legend">${legend}</ul></div>`;
}

function waysOf(path: Path, placed: Placed): Ways {
  const { milestones, edges } = path.graph;
  const roots = new Set(rootsOf(path.graph));
  const pairs = (flat: ArrayLike<number>) =>
    Array.from({ length: flat.length / 2 }, (_, i) => placed(flat[2 * i], flat[2 * i + 1]));
  const lines = edges.map((_, edge) => pairs(courseOf(path, edge)));
  return new Ways(lines, pairs(positions(path)), milestones.map((title) => roots.has(title)));
}

function partOf({ graph }: Path, milestone: number): string {
  const title = graph.milestones[milestone];
  if (rootsOf(graph).includes(title)) return report.path_part.start;
  return terminalNames(graph).includes(title) ? report.path_part.end : report.path_part.branching;
}

function edges({ gathered: found }: Contents, path: Path): Html[] {
  const shares = found.byEdge.map((bins) => bins.map((n) => n / Math.max(found.nOn, 1)));
  const { share } = path;
  const tallest = Math.max(...shares.flat(), ...share);
  const items = edgeNames(path.graph)
    .slice(0, MOST)
    .map((title, edge): [Inside, Html, Inside] => {
      const ours = found.byEdge[edge].reduce((sum, n) => sum + n, 0);
      const theirs = share.subarray(edge * EDGE_BINS, (edge + 1) * EDGE_BINS);
      const below = said("path_edge", {
        cells: counted(ours, "cell"),
        share: shareOf(ours, found.nOn),
        atlas: shareOf(theirs.reduce((sum, one) => sum + one, 0), 1),
      });
      const told = said("path_edge_said", { edge: title, cells: ours }).text;
      return [name(title.replace("->", "→")), alongEdge(shares[edge], theirs, tallest, told), below];
    });
  const rest = items.slice(EDGES);
  return [
    figures(items.slice(0, EDGES)),
    details(counted(rest.length, "further part"), figures(rest)),
    paragraph(said("path_bars"), "note"),
  ];
}

function fates({ gathered: found }: Contents, { bound: shares }: Path): Html {
  const { terminals, bound, nOn } = found;
  if (terminals.length < 2 || !nOn) return NOTHING;
  const open = nOn - bound.reduce((sum, n) => sum + n, 0);
  const stillOpen = 1 - shares.reduce((sum, share) => sum + share, 0);
  const rows = [
    ...terminals.map((title, i): [Inside, string, number, number] => [name(title), "sure", bound[i], shares[i]]),
    [said("fates_open"), "unknown", open, stillOpen] as [Inside, string, number, number],
  ];
  const longest = Math.max(...bound, open);
  const shown = rows.map(([title, kind, n, share]) => [...countRow(title, [[kind, n]], longest, nOn), shareOf(share, 1)]);
  const told = paragraph(said("fates_bound", { share: shareOf(BOUND, 1) }));
  return html`${heading(said("fates_title"))}${told}${table(heads("fates"), shown, said("fates_caption"), "types")}`;
}

function rootsOn(path: Path, lineage: number): string[] {
  const { edges, milestones } = path.graph;
  const roots = new Set(rootsOf(path.graph));
  const starts = edges.filter((_, edge) => path.lineageEdges[lineage * edges.length + edge]).map(([start]) => start);
  return [...new Set(starts)].map((at) => milestones[at]).filter((title) => roots.has(title));
}

function genesOf(c: Contents, path: Path, lineage: number): Html {
  const { queryLineages: query, manifest } = c;
  const genes = panelNames(manifest);
  let ranked = changesOf(path, genes, lineage);
  if (query) {
    const measured = ranked.filter(({ position }) => query.measured[position]);
    ranked = measured.length ? measured : ranked;
  }
  const agreement = query && agreementOf(query, path, lineage);
  const { steps } = stepsOf(path);
  const items = ranked.slice(0, GENES).map((gene): [Inside, Html, Inside] => {
    const { position, level } = gene;
    const ours = Array.from({ length: steps }, (_, step) => {
      const row = lineage * steps + step;
      const known = query && query.cells[row] >= FEWEST_CELLS && query.measured[position];
      return known ? logLevel(query.expression[row * genes.length + position]) : NaN;
    });
    const changes = said("lineage_changes", { course: report.courses[gene.direction], fold: foldOf(gene) });
    const below = agreement ? html`${changes}; ${followed(agreement[position])}` : changes;
    const terminal = terminalNames(path.graph)[lineage];
    const told = said("lineage_gene_said", { gene: gene.gene, terminal, words: below.text }).text;
    return [html`<i>${name(gene.gene)}</i>`, geneCurve(level, ours, told), below];
  });
  if (!agreement) return figures(items);
  const most = ranked.slice(0, COMPARED).map(({ position }) => agreement[position]);
  return html`${figures(items)}${paragraph(compared(most), "note")}`;
}

/** How many of the genes that change most take the same course in the query. */
function compared(agreement: readonly number[]): Html {
  const known = agreement.filter((one) => !Number.isNaN(one));
  if (!known.length) return said("lineage_few");
  const follow = grouped(known.filter((one) => one >= FOLLOWS).length);
  return said("lineage_follow", { genes: counted(known.length, "gene"), follow, least: general(FOLLOWS) });
}

function foldOf({ change }: LineageGene): string {
  const fold = 2 ** change;
  return fold < 10 ? fold.toFixed(1) : grouped(fold);
}

function followed(agreement: number): string {
  const { unknown, well, roughly, not } = report.follows;
  if (Number.isNaN(agreement)) return unknown;
  if (agreement >= FOLLOWS) return well;
  return agreement >= ROUGHLY ? roughly : not;
}
