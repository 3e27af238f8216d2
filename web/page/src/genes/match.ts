/** Match the genes of a query to the panel of an atlas, and say how it went.
 *
 * Same decisions as `runtime/genes/match.py` of the Python package.
 */

import decisions, { say } from "../decisions";
import { InputError } from "../errors";
import { examples, inPercent } from "../words";
import { type GeneColumns, genesAlone, ownGenes, trustedColumns } from "./columns";
import { inferOrganism, isKnown } from "./organism";
import { idsOfOthers, refuseLookalikes, refuseOtherOrganism } from "./other_organism";
import type { PreviousSymbols } from "./previous";
import { type Keys, type Rule, RULES } from "./rules";
import { tidied } from "./tidy";

const { genes: rules } = decisions;
const BY_CASE = RULES.findIndex((rule) => rule.name === "letter case");
const OF_OTHER_YEARS = RULES.findIndex((rule) => rule.name === "symbol of other years");
// how strict a rule is when columns are joined, with room for the order of these
const STEP = 1000;
const NO_RANK = STEP * (RULES.length + 2);

export interface Panel {
  symbols: readonly string[];
  ensembl: readonly string[];
  /** Whether genes are found by their very names alone, unless hardly any are. */
  exact?: boolean;
  /** What else genes with one name are called, "" where unknown; none where that does not count. */
  other_names?: readonly string[];
}

export interface GeneMatch {
  /** [query genes], position in the panel (the first, of a gene that comes twice there) or -1;
   * genes with one position are summed. */
  panelColumn: Int32Array;
  /** [query genes], 1 where it is a gene at all, and of the query's own organism. */
  isGene: Uint8Array;
  /** [panel], 1 where the query has the gene. */
  measured: Uint8Array;
  nMatched: number;
  column: string;
  organism: string | null;
  byRule: Record<string, number>;
  /** [panel], position of the rule that matched each gene, their number for none. */
  rule: Int8Array;
  nDuplicated: number;
  ambiguous: string[];
  missing: string[];
  warnings: string[];
}

export interface MatchOptions {
  organism: string | null;
  minimum?: number;
  anyOrganism?: boolean;
  source?: string;
  /** Needed where names of a human panel are not there as they stand. */
  previous?: PreviousSymbols;
}

function geneName(panel: Panel, gene: number): string {
  return panel.symbols[gene] || panel.ensembl[gene];
}

export function matchGenes(
  columns: GeneColumns,
  panel: Panel,
  { organism, minimum = rules.minimum.value, anyOrganism = false, source = "the query", previous = new Map() }: MatchOptions,
): GeneMatch {
  const nPanel = panel.symbols.length;
  const wanted = organismOf(panel, organism);
  const [bare, untidy] = tidied(columns, source);
  const alone = genesAlone(bare, panel.symbols, source);
  const own = ownGenes(alone.columns, wanted, panel.symbols, source);
  const [merged, table] = matchByAnyNames(own.columns, panel, wanted, previous, source);
  const { match } = merged;
  if (wanted && !anyOrganism) {
    if (match.nStrict < Math.max(minimum, rules.minimum.value) * nPanel) {
      refuseOtherOrganism(own.columns, wanted, source);
    }
    refuseLookalikes(merged.matches.map((one) => one.names), wanted, source);
  }
  if (!match.nMatched || match.nMatched / nPanel < minimum) {
    throw new InputError(tooFew(match, columns.get(match.column) ?? [], panel, minimum, source));
  }
  if (!anyOrganism) refuseOtherCase(match, panel, source);
  const others = wanted ? idsOfOthers(own.columns, wanted, source) : [];
  const contradicted = contradictions(merged, source);
  const notes = [...untidy, ...alone.notes, ...own.notes, ...others, ...contradicted, ...table];
  const isGene = namedRows(own.columns, match.names.length);
  return finish(merged, panel, isGene, source, inferOrganism(match.names), notes);
}

/** 1 for each row that any column names. */
function namedRows(columns: GeneColumns, n: number): Uint8Array {
  const named = new Uint8Array(n);
  for (const names of columns.values()) {
    names.forEach((name, row) => {
      if (name !== "") named[row] = 1;
    });
  }
  return named;
}

/** The organism of an atlas, as stated or else as its names say. */
export function organismOf(panel: Panel, stated: string | null): string | null {
  if (isKnown(stated)) return stated;
  return inferOrganism(panel.symbols) ?? inferOrganism(panel.ensembl);
}

/** Of genes that come twice in a panel the first: its position for each gene. */
export function representatives({ symbols, ensembl }: Panel): Int32Array {
  const first = new Map<string, number>();
  return Int32Array.from(symbols, (symbol, gene) => {
    const name = `${symbol}\n${ensembl[gene]}`;
    const found = first.get(name);
    if (found === undefined) first.set(name, gene);
    return found ?? gene;
  });
}

/** The same genes by all their names; null where they have no other names. */
function namedBothWays({ symbols, ensembl, exact, other_names = [] }: Panel): Panel | null {
  if (!other_names.some((name) => name !== "")) return null;
  return {
    symbols: symbols.map((symbol, gene) => symbol || other_names[gene]),
    ensembl: ensembl.map((id, gene) => id || other_names[gene]),
    exact,
  };
}

class ColumnMatch {
  readonly panelColumn: Int32Array;
  /** Position of the rule that each name was matched by, -1 for none. */
  readonly rule: Int8Array;
  readonly measured: Uint8Array;
  readonly byRule = new Map<string, number>(RULES.map((rule) => [rule.name, 0]));
  readonly ambiguous = new Set<number>();
  nMatched = 0;

  constructor(
    readonly column: string,
    readonly names: readonly string[],
    nPanel: number,
  ) {
    this.panelColumn = new Int32Array(names.length).fill(-1);
    this.rule = new Int8Array(names.length).fill(-1);
    this.measured = new Uint8Array(nPanel);
  }

  get nStrict(): number {
    return this.nMatched - (this.byRule.get("letter case") ?? 0);
  }
}

/** Columns joined gene by gene. */
interface Merged {
  /** Under the name of the best column, with its names. */
  match: ColumnMatch;
  /** Of each column, the best first. */
  matches: ColumnMatch[];
  /** As `GeneMatch.rule`. */
  geneRule: Int8Array;
  /** Query genes of which two columns name two genes of the panel. */
  contradicted: number[];
  /** How many query genes two columns name genes of the panel. */
  nBoth: number;
}

/** Match by the panel's own names, or by all where hardly any of those are found.
 *
 * Symbols of other years are found by a table as other names are, and say nothing of how a query
 * calls its genes.
 */
function matchByAnyNames(
  columns: GeneColumns,
  panel: Panel,
  organism: string | null,
  previous: PreviousSymbols,
  source: string,
): [Merged, string[]] {
  const merged = matchColumns(columns, panel, organism, previous);
  const ofOtherYears = merged.match.byRule.get("symbol of other years") ?? 0;
  const hardlyAny = rules.hardly_any.value * panel.symbols.length;
  const both = merged.match.nMatched - ofOtherYears < hardlyAny ? namedBothWays(panel) : null;
  if (!both) return [merged, []];
  const again = matchColumns(columns, both, organism, previous);
  const { names, panelColumn, nMatched } = again.match;
  if (nMatched <= merged.match.nMatched) return [merged, []];
  const row = panelColumn.findIndex((gene) => gene >= 0);
  const [name, known] = [names[row], geneName(panel, panelColumn[row])];
  return [again, [say(rules.by_other_names, { source, genes: nMatched, name, known })]];
}

/** Match each column, and join the best and all that surely name the genes. */
function matchColumns(
  columns: GeneColumns,
  panel: Panel,
  organism: string | null,
  previous: PreviousSymbols,
): Merged {
  const nPanel = panel.symbols.length;
  const trusted = trustedColumns(columns);
  const [first, firstNames] = columns.entries().next().value ?? ["index", []];
  let best = new ColumnMatch(first, firstNames, nPanel);
  const others: ColumnMatch[] = [];
  for (const [column, names] of columns) {
    // A column cannot match more panel genes than there are, nor than it has distinct names.
    const possible = Math.min(nPanel, new Set(names).size);
    if (possible <= best.nMatched && !(trusted.has(column) && possible > 1)) continue;
    const match = matchColumn(column, names, panel, organism, previous);
    if (trusted.has(column)) others.push(match);
    if (match.nMatched > best.nMatched) best = match;
  }
  const matches = [best, ...others.filter((match) => match !== best)];
  return mergedMatch(matches, representatives(panel));
}

/** Join columns: for each name the strictest rule of any, then for each panel gene.
 *
 * An Ensembl id counts most, whichever column it is in. Of names by one rule, those of the first
 * column count. A gene that the first column finds too is told by its rule there.
 */
function mergedMatch(matches: ColumnMatch[], own: Int32Array): Merged {
  const [best] = matches;
  const match = new ColumnMatch(best.column, best.names, own.length);
  const rank = new Int32Array(best.names.length).fill(NO_RANK);
  const said = new Uint8Array(best.names.length);
  const contradicted = new Set<number>();
  matches.forEach((one, order) => {
    one.panelColumn.forEach((gene, row) => {
      if (gene < 0) return;
      said[row]++;
      if (match.panelColumn[row] >= 0 && match.panelColumn[row] !== gene) contradicted.add(row);
      const rule = one.rule[row];
      const claim = RULES[rule].byId ? 0 : STEP * (rule + 1) + order;
      if (claim >= rank[row]) return;
      rank[row] = claim;
      match.panelColumn[row] = gene;
      match.rule[row] = rule;
    });
    for (const gene of one.ambiguous) match.ambiguous.add(gene);
  });
  const geneRule = keepStrictest(match, best, rank, own);
  const nBoth = said.reduce((n, columns) => n + Number(columns > 1), 0);
  return { match, matches, geneRule, contradicted: [...contradicted].sort((a, b) => a - b), nBoth };
}

/** Of the names of each panel gene, keep the strictest, and count what is left. */
function keepStrictest(
  match: ColumnMatch,
  best: ColumnMatch,
  rank: Int32Array,
  places: Int32Array,
): Int8Array {
  const nPanel = places.length;
  const strictest = new Int32Array(nPanel).fill(NO_RANK);
  match.panelColumn.forEach((gene, row) => {
    if (gene >= 0) strictest[gene] = Math.min(strictest[gene], rank[row]);
  });
  const first = new Int8Array(nPanel).fill(RULES.length);
  match.panelColumn.forEach((gene, row) => {
    if (gene < 0) return;
    if (rank[row] > strictest[gene]) {
      match.panelColumn[row] = -1;
      match.rule[row] = -1;
      return;
    }
    // a gene that the first column finds too is told by its rule there
    const own = best.panelColumn[row] === gene && best.rule[row] !== BY_CASE;
    first[gene] = Math.min(first[gene], own ? best.rule[row] : match.rule[row]);
  });
  // what is known of a gene is known of its other places in the panel too
  const ruled = Int8Array.from(places, (gene) => first[gene]);
  ruled.forEach((rule, gene) => {
    if (rule === RULES.length) return;
    const { name } = RULES[rule];
    match.measured[gene] = 1;
    match.nMatched++;
    match.byRule.set(name, (match.byRule.get(name) ?? 0) + 1);
  });
  return ruled;
}

/** How many panel genes each rule has matched. */
export function countsByRule(geneRule: Int8Array): Record<string, number> {
  const counts = RULES.map(({ name }, rule): [string, number] => [
    name,
    geneRule.reduce((n, one) => n + Number(one === rule), 0),
  ]);
  return Object.fromEntries(counts.filter(([, n]) => n > 0));
}

/** How many query genes are added to another one of the same gene. */
export function countDuplicated(panelColumn: Int32Array): number {
  const used = panelColumn.filter((gene) => gene >= 0);
  return used.length - new Set(used).size;
}

/** Say where columns name different genes, and refuse where they do nearly everywhere. */
function contradictions(merged: Merged, source: string): string[] {
  const { contradicted, nBoth, matches } = merged;
  if (!contradicted.length) return [];
  const [row] = contradicted;
  const having = matches.filter((match) => match.panelColumn[row] >= 0);
  const [one] = having;
  const other = having.find((match) => match.panelColumn[row] !== one.panelColumn[row]) ?? one;
  const example = say(rules.contradiction, {
    one: one.names[row],
    column: one.column,
    other: other.names[row],
    second: other.column,
  });
  const places = { genes: contradicted.length, both: nBoth, source, example };
  const many = contradicted.length > rules.most_contradicting.value * nBoth;
  if (many && contradicted.length >= rules.fewest_contradicting.value) {
    throw new InputError(say(rules.shuffled, places));
  }
  return [say(rules.contradicted, places)];
}

function matchColumn(
  column: string,
  names: readonly string[],
  panel: Panel,
  organism: string | null,
  previous: PreviousSymbols,
): ColumnMatch {
  const match = new ColumnMatch(column, names, panel.symbols.length);
  RULES.forEach((rule, number) => {
    if (match.nMatched === panel.symbols.length) return;
    if (rule.organism !== undefined && rule.organism !== organism) return;
    const enough = match.nMatched >= rules.hardly_any.value * panel.symbols.length;
    if (panel.exact && !rule.exact && enough) return;
    const position = positions(panel, match.measured, rule, previous);
    if (position.size) applyRule(number, match, position, rule.queryKeys(names, previous));
  });
  return match;
}

function applyRule(
  number: number,
  match: ColumnMatch,
  position: Map<string, number>,
  keys: Keys,
): void {
  const rule = RULES[number];
  const claims = new Map<number, number[]>();
  keys.forEach((key, queryGene) => {
    const gene = key === null ? undefined : position.get(key);
    if (gene === undefined || match.panelColumn[queryGene] >= 0) return;
    const claimants = claims.get(gene);
    if (claimants) claimants.push(queryGene);
    else claims.set(gene, [queryGene]);
  });
  for (const [gene, claimants] of claims) {
    const names = new Set(claimants.map((claimant) => match.names[claimant]));
    if (!rule.sameGene && names.size > 1) {
      match.ambiguous.add(gene);
      continue;
    }
    for (const claimant of claimants) {
      match.panelColumn[claimant] = gene;
      match.rule[claimant] = number;
    }
    match.measured[gene] = 1;
    match.nMatched++;
    match.byRule.set(rule.name, (match.byRule.get(rule.name) ?? 0) + 1);
  }
}

/** Keys of the panel genes still unmatched to their positions, each key unique. */
function positions(
  panel: Panel,
  measured: Uint8Array,
  rule: Rule,
  previous: PreviousSymbols,
): Map<string, number> {
  const position = new Map<string, number>();
  const shared = new Set<string>();
  const own = representatives(panel);
  for (let gene = 0; gene < measured.length; gene++) {
    if (own[gene] !== gene) continue;
    for (const key of new Set(rule.panelKeys(panel.symbols[gene], panel.ensembl[gene], previous))) {
      if (key === "") continue;
      if (position.has(key)) shared.add(key);
      // Genes already matched hold their key too: a loose name of theirs is nobody else's.
      position.set(key, gene);
    }
  }
  for (const [key, gene] of position) {
    if (shared.has(key) || measured[gene]) position.delete(key);
  }
  return position;
}

function refuseOtherCase(match: ColumnMatch, panel: Panel, source: string): void {
  const loose = match.byRule.get("letter case") ?? 0;
  if (loose <= rules.mostly_by_case.value * match.nMatched) return;
  const row = match.rule.indexOf(BY_CASE);
  throw new InputError(
    say(rules.mostly_other_case, {
      genes: loose,
      matched: match.nMatched,
      source,
      examples: examples([match.names[row]]),
      known: examples([geneName(panel, match.panelColumn[row])]),
    }),
  );
}

function finish(
  { match, geneRule }: Merged,
  panel: Panel,
  isGene: Uint8Array,
  source: string,
  organism: string | null,
  notes: string[],
): GeneMatch {
  const { nMatched } = match;
  const ambiguous = [...match.ambiguous]
    .sort((a, b) => a - b)
    .filter((gene) => !match.measured[gene])
    .map((gene) => geneName(panel, gene));
  const nDuplicated = countDuplicated(match.panelColumn);
  const loose = match.byRule.get("letter case") ?? 0;
  const warnings = [...notes];
  if (loose > rules.many_by_case.value * nMatched) {
    warnings.push(say(rules.by_case, { genes: loose, source }));
  }
  if (ambiguous.length) {
    const places = { genes: ambiguous.length, examples: examples(ambiguous), source };
    warnings.push(say(rules.ambiguous, places));
  }
  const renamed = match.byRule.get("symbol of other years") ?? 0;
  if (renamed) {
    const row = match.rule.indexOf(OF_OTHER_YEARS);
    const [old, now] = [match.names[row], geneName(panel, match.panelColumn[row])];
    warnings.push(say(rules.renamed, { genes: renamed, source, old, new: now }));
  }
  if (nDuplicated) warnings.push(say(rules.repeated, { genes: nDuplicated, source }));
  const missing: string[] = [];
  match.measured.forEach((has, gene) => {
    if (!has) missing.push(geneName(panel, gene));
  });
  return {
    panelColumn: match.panelColumn,
    isGene,
    measured: match.measured,
    nMatched,
    column: match.column,
    organism,
    byRule: countsByRule(geneRule),
    rule: geneRule,
    nDuplicated,
    ambiguous,
    missing,
    warnings,
  };
}

function tooFew(
  match: ColumnMatch,
  names: readonly string[],
  panel: Panel,
  minimum: number,
  source: string,
): string {
  const matching = [...match.byRule].filter(([, n]) => n > 0);
  const byRule = matching.map(([rule, genes]) => say(rules.by_rule, { genes, rule })).join(", ");
  const nNames = new Set(match.names).size;
  const share = match.nMatched / panel.symbols.length;
  const rightNames = match.nStrict > Math.max(rules.right_names.value * nNames, 1);
  return say(rules.too_few, {
    matched: match.nMatched,
    panel: panel.symbols.length,
    source,
    rules: byRule && say(rules.rules, { rules: byRule, column: match.column }),
    needed: minimum ? say(rules.needed, { minimum: inPercent(minimum) }) : "",
    advice: rightNames
      ? say(rules.small_panel, { lower: Math.floor(100 * share) / 100 })
      : wrongNames(names, panel),
  });
}

function wrongNames(names: readonly string[], panel: Panel): string {
  const wanted = examples(panel.symbols.filter((name) => name !== ""));
  const ids = panel.ensembl.filter((name) => name !== "");
  return say(rules.wrong_names, {
    examples: examples(names) || rules.no_examples,
    known: [wanted, examples(ids, 1)].filter((part) => part).join(" or "),
  });
}
