/** The parts of a report about labels, how sure they are, and the files they are of.
 *
 * Same as `runtime/report/sections.py` of the Python package.
 */

import { givesProb } from "../../atlas/manifest";
import decisions from "../../decisions";
import { counted, grouped, shareOf } from "../../words";
import { OUTCOMES } from "../findings";
import { code, details, heads, html, Html, joined, name, NOTHING, paragraph, quiet, said, section, table, type Inside } from "../html";
import { describeLabels, isCalibrated } from "../sentences";
import { BINS } from "./gathered";
import { countRow, histogram, legend, rowBar, shareBar } from "./charts";
import { type Contents, type Shown, shownCalls } from "./contents";
import { mostFirst } from "./numbers";

const { columns, report, values } = decisions;
const ROWS = 40;
const MOST_ROWS = 1000;
const NEAREST = 8;

/** Which types were found, and how many cells each. */
export function labelsSection(c: Contents): Html {
  const calls = shownCalls(c);
  const rows = typeRows(calls.filter(({ cells }) => cells), c.findings.cells);
  const absent = calls.filter(({ cells, outcome }) => !cells && outcome !== "unknown");
  const caption = said(isCalibrated(c) ? "labels_by_call" : "labels_by_label");
  const parts = [table(heads("types"), rows.slice(0, ROWS), caption, "types")];
  if (rows.length > ROWS) {
    const more = table(heads("types"), rows.slice(ROWS, MOST_ROWS), said("rarer_caption"), "types");
    parts.push(details(said("rarer", { n: rows.length - ROWS }), more));
  }
  if (absent.length) {
    const listed = absent.slice(0, MOST_ROWS).map((call) => html`${call.mark}\u00a0${name(call.name)}`);
    parts.push(paragraph(said("absent", { names: joined(listed, ", ") }), "note"));
  }
  const shares = OUTCOMES.map((what): [string, Inside, number] => [what, report.outcome_words[what], c.findings.outcome[what]]);
  const bar = isCalibrated(c) ? shareBar(shares, c.findings.cells) : NOTHING;
  return section("labels", said("labels_title"), bar, ...parts);
}

function typeRows(calls: readonly Shown[], cells: number): Inside[][] {
  const longest = calls.length ? Math.max(...calls.map((call) => call.cells)) : 1;
  return calls.map((call) => {
    const group = call.outcome === "broader" ? html` ${quiet(said("broader_group"))}` : NOTHING;
    const title = html`<span class="type"><span class="mark">${call.mark || ""}</span><span class="swatch ${call.colour}"></span><span>${name(call.name)}${group}</span></span>`;
    return countRow(title, [[call.colour, call.cells]], longest, cells);
  });
}

/** How sure the labels are. */
export function confidenceSection(c: Contents): Html {
  const { gathered: found, manifest } = c;
  const title = said("confidence_title");
  if (!givesProb(manifest)) {
    return section("confidence", title, paragraph(html`${describeLabels(manifest)}`));
  }
  const tens = Array.from({ length: BINS / 2 }, (_, i) =>
    [0, 1].map((kind) => found.probBins[2 * i][kind] + found.probBins[2 * i + 1][kind]),
  );
  const mean = shareOf(found.meanProb, 1);
  const meant = isCalibrated(c)
    ? said("mean_right", { mean })
    : said("mean_alone", { mean, labels: describeLabels(manifest) });
  const high = found.probBins.slice(18).reduce((sum, [sure, not]) => sum + sure + not, 0);
  const bars = tens
    .map(([sure, not], i) => said("prob_bar", { low: 10 * i, high: 10 * (i + 1), cells: sure + not }).text)
    .join(", ");
  return section(
    "confidence",
    title,
    paragraph(said("each_prob", { meant, share: shareOf(high, c.findings.cells) })),
    histogram(tens, ["sure", "unknown"], ["0 %", "50 %", "100 %"], said("prob_bars", { bars }).text),
    ...doubts(c),
  );
}

function doubts(c: Contents): Html[] {
  if (!isCalibrated(c)) return [];
  return [
    legend([
      ["sure", report.outcome_words.sure],
      ["unknown", said("not_called")],
    ]),
    paragraph(sets(c)),
    paragraph(heldOut(c), "note"),
  ];
}

function sets({ gathered, findings, manifest }: Contents): Html {
  const [one, two, more] = gathered.setSizes.slice(1).map((n) => shareOf(n, findings.cells));
  const level = shareOf(manifest.thresholds.set_level, 1);
  return said("sets", { column: code(columns.label_set), level, one, two, more });
}

function heldOut({ manifest: { held_out: scores } }: Contents): Html {
  if (!scores) return said("no_held_out");
  const places = { cells: counted(scores.cells, "reference cell"), share: shareOf(scores.accuracy, 1) };
  return scores.by === "batch" ? said("held_out_batches", places) : said("held_out", places);
}

/** Cells that got a broader group or nothing, by the type they came closest to. */
export function unsureSection({ gathered: found, findings, manifest }: Contents): Html {
  const { broader, unknown } = findings.outcome;
  if (!(broader + unknown)) return NOTHING;
  const byType = found.byLabel.map(([, group, none]) => group + none);
  const ranked = mostFirst(byType);
  const longest = Math.max(...byType);
  const rows = ranked.slice(0, NEAREST).map((label) => {
    const title = found.labels[label];
    const shown = title === values.unknown ? said("unsure_none") : name(title);
    const [, group, none] = found.byLabel[label];
    const all = found.byLabel[label].reduce((sum, n) => sum + n, 0);
    return countRow(shown, [["broader", group], ["unknown", none]], longest, all);
  });
  const rest = ranked.length - rows.length;
  const prob = shareOf(manifest.thresholds.call_prob, 1);
  const below = said("unsure_below", { cells: counted(broader + unknown, "cell"), prob });
  const group = broader ? said("unsure_group", { cells: grouped(broader) }) : NOTHING;
  return section(
    "unsure",
    said("unsure_title"),
    paragraph(html`${below}${group}${said("unsure_why")}`),
    table(heads("unsure"), rows, said("unsure_caption"), "types"),
    rest ? paragraph(said("unsure_more", { types: counted(rest, "more type") }), "note") : NOTHING,
  );
}

/** One row a file, where there are several. */
export function queriesSection({ gathered: found }: Contents): Html {
  if (!found.queries.length) return NOTHING;
  const rows = found.queries.map((title, i) => {
    const cells = found.byQuery[i];
    const n = cells.reduce((sum, one) => sum + one, 0);
    const parts = OUTCOMES.map((what, k): [string, number] => [what, cells[k]]);
    return [name(title), rowBar(parts, n), grouped(n), shareOf(cells[0], n), shareOf(cells[2], n)];
  });
  return section("files", said("files_title"), table(heads("files"), rows, said("files_caption"), "types"));
}
