/** Match the genes of a query to the panel of an atlas, and say how it went.
 *
 * Same decisions as `runtime/genes/match.py` of the Python package.
 */

import decisions, { say } from "../decisions";
import { InputError } from "../errors";
import { examples } from "../words";
import { inferOrganism, isKnown } from "./organism";
import { type Rule, RULES } from "./rules";

const { genes: rules } = decisions;

/** Candidate names of the genes, by column. */
type GeneColumns = ReadonlyMap<string, readonly string[]>;

export interface Panel {
  symbols: readonly string[];
  ensembl: readonly string[];
}

export interface GeneMatch {
  /** [query genes], position in the panel or -1; genes with one position are summed. */
  panelColumn: Int32Array;
  /** [panel], 1 where the query has the gene. */
  measured: Uint8Array;
  nMatched: number;
  column: string;
  organism: string | null;
  byRule: Record<string, number>;
  nDuplicated: number;
  ambiguous: string[];
  missing: string[];
  warnings: string[];
}

export interface MatchOptions {
  organism: string | null;
  minimum?: number;
  warnBelow?: number;
  anyOrganism?: boolean;
  source?: string;
}

function geneName(panel: Panel, gene: number): string {
  return panel.symbols[gene] || panel.ensembl[gene];
}

export function matchGenes(
  columns: GeneColumns,
  panel: Panel,
  { organism, minimum = rules.minimum.value, warnBelow = 0.6, anyOrganism = false, source = "the query" }: MatchOptions,
): GeneMatch {
  const nPanel = panel.symbols.length;
  const [first, firstNames] = columns.entries().next().value ?? ["index", []];
  let best = new ColumnMatch(first, firstNames, nPanel);
  for (const [column, names] of columns) {
    // A column cannot match more panel genes than there are, nor than it has distinct names.
    if (Math.min(nPanel, new Set(names).size) > best.nMatched) {
      const match = matchColumn(column, names, panel);
      if (match.nMatched > best.nMatched) best = match;
    }
  }
  if (!anyOrganism && best.nStrict < minimum * nPanel) {
    refuseOtherOrganism(columns, panel, organism, source);
  }
  if (best.nMatched < Math.max(minimum * nPanel, 1)) {
    throw new InputError(tooFew(best, panel, minimum, source));
  }
  return finish(best, panel, warnBelow, source);
}

class ColumnMatch {
  readonly panelColumn: Int32Array;
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
    this.measured = new Uint8Array(nPanel);
  }

  get nStrict(): number {
    return this.nMatched - (this.byRule.get("letter case") ?? 0);
  }
}

function matchColumn(column: string, names: readonly string[], panel: Panel): ColumnMatch {
  const match = new ColumnMatch(column, names, panel.symbols.length);
  for (const rule of RULES) {
    if (match.nMatched === panel.symbols.length) break;
    applyRule(rule, match, positions(panel, match.measured, rule));
  }
  return match;
}

function applyRule(rule: Rule, match: ColumnMatch, position: Map<string, number>): void {
  const claims = new Map<number, number[]>();
  rule.queryKeys(match.names).forEach((key, queryGene) => {
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
    for (const claimant of claimants) match.panelColumn[claimant] = gene;
    match.measured[gene] = 1;
    match.nMatched++;
    match.byRule.set(rule.name, (match.byRule.get(rule.name) ?? 0) + 1);
  }
}

/** Keys of the panel genes still unmatched to their positions, each key unique. */
function positions(panel: Panel, measured: Uint8Array, rule: Rule): Map<string, number> {
  const position = new Map<string, number>();
  const shared = new Set<string>();
  for (let gene = 0; gene < measured.length; gene++) {
    for (const key of new Set(rule.panelKeys(panel.symbols[gene], panel.ensembl[gene]))) {
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

function refuseOtherOrganism(
  columns: GeneColumns,
  panel: Panel,
  stated: string | null,
  source: string,
): void {
  const organism = isKnown(stated)
    ? stated
    : (inferOrganism(panel.symbols) ?? inferOrganism(panel.ensembl));
  for (const names of columns.values()) {
    const seen = inferOrganism(names);
    if (organism && seen && seen !== organism) {
      const places = { source, seen, examples: examples(names), organism };
      throw new InputError(say(rules.other_organism, places));
    }
  }
}

function finish(match: ColumnMatch, panel: Panel, warnBelow: number, source: string): GeneMatch {
  const nPanel = panel.symbols.length;
  const { nMatched } = match;
  const ambiguous = [...match.ambiguous]
    .sort((a, b) => a - b)
    .filter((gene) => !match.measured[gene])
    .map((gene) => geneName(panel, gene));
  const nDuplicated = match.panelColumn.reduce((n, gene) => n + Number(gene >= 0), 0) - nMatched;
  const loose = match.byRule.get("letter case") ?? 0;
  const warnings: string[] = [];
  if (nMatched < warnBelow * nPanel) {
    const counts = { matched: nMatched, panel: nPanel, share: nMatched / nPanel };
    warnings.push(say(rules.few, { ...counts, enough: warnBelow, source }));
  }
  if (loose > rules.many_by_case.value * nMatched) {
    warnings.push(say(rules.by_case, { genes: loose, source }));
  }
  if (ambiguous.length) {
    const places = { genes: ambiguous.length, examples: examples(ambiguous), source };
    warnings.push(say(rules.ambiguous, places));
  }
  if (nDuplicated) warnings.push(say(rules.repeated, { genes: nDuplicated, source }));
  const missing: string[] = [];
  match.measured.forEach((has, gene) => {
    if (!has) missing.push(geneName(panel, gene));
  });
  return {
    panelColumn: match.panelColumn,
    measured: match.measured,
    nMatched,
    column: match.column,
    organism: inferOrganism(match.names),
    byRule: Object.fromEntries([...match.byRule].filter(([, n]) => n > 0)),
    nDuplicated,
    ambiguous,
    missing,
    warnings,
  };
}

function tooFew(match: ColumnMatch, panel: Panel, minimum: number, source: string): string {
  const matching = [...match.byRule].filter(([, n]) => n > 0);
  const byRule = matching.map(([rule, genes]) => say(rules.by_rule, { genes, rule })).join(", ");
  const wanted = examples(panel.symbols.filter((name) => name !== ""));
  const ids = panel.ensembl.filter((name) => name !== "");
  return say(rules.too_few, {
    matched: match.nMatched,
    panel: panel.symbols.length,
    source,
    rules: byRule && say(rules.rules, { rules: byRule, column: match.column }),
    minimum,
    examples: examples(match.names) || rules.no_examples,
    known: [wanted, examples(ids, 1)].filter((part) => part).join(" or "),
  });
}
