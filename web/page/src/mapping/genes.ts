/** Match the genes of a query to the panel of an atlas, and say how it went.
 *
 * Same decisions as `runtime/genes.py` of the Python package.
 */

import { InputError } from "../errors";
import type { GeneColumns } from "../sources/source";
import { examples, grouped, percent } from "../words";
import { type Rule, RULES } from "./gene_rules";
import { ENSEMBL_ORGANISMS, inferOrganism } from "./organism";

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
  { organism, minimum = 0.2, warnBelow = 0.6, anyOrganism = false, source = "the query" }: MatchOptions,
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
  const known = stated !== null && Object.values(ENSEMBL_ORGANISMS).includes(stated);
  const organism = known ? stated : (inferOrganism(panel.symbols) ?? inferOrganism(panel.ensembl));
  for (const names of columns.values()) {
    const seen = inferOrganism(names);
    if (organism && seen && seen !== organism) {
      throw new InputError(
        `The genes of ${source} look like ${seen} (${examples(names)}), but the atlas is ` +
          `${organism}. Use an atlas of ${seen}, or translate the genes to ${organism} orthologs first.`,
      );
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
    warnings.push(
      `Only ${grouped(nMatched)} of the atlas's ${grouped(nPanel)} genes ` +
        `(${percent(nMatched / nPanel)}) are in ${source}; labels are less sure below ` +
        `${percent(warnBelow)}.`,
    );
  }
  if (loose > 0.1 * nMatched) {
    warnings.push(
      `${grouped(loose)} genes of ${source} match the atlas only when letter case is ignored; ` +
        "check that the organism is right.",
    );
  }
  if (ambiguous.length) {
    warnings.push(
      `${grouped(ambiguous.length)} genes of the atlas (${examples(ambiguous)}) were left out: ` +
        `several names in ${source} could mean each.`,
    );
  }
  if (nDuplicated) {
    warnings.push(
      `${grouped(nDuplicated)} genes of ${source} repeat the name of another; their counts were ` +
        "summed.",
    );
  }
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
  const rules = [...match.byRule]
    .filter(([, n]) => n > 0)
    .map(([rule, n]) => `${grouped(n)} by ${rule}`)
    .join(", ");
  const wanted = examples(panel.symbols.filter((name) => name !== ""));
  const ids = examples(
    panel.ensembl.filter((name) => name !== ""),
    1,
  );
  return (
    `Only ${grouped(match.nMatched)} of the atlas's ${grouped(panel.symbols.length)} genes are in ` +
    source +
    (rules ? ` (${rules}; column '${match.column}')` : "") +
    `; at least ${percent(minimum)} are needed. The names there look like ` +
    `${examples(match.names) || "nothing at all"}; the atlas knows ` +
    `${[wanted, ids].filter((part) => part).join(" or ")}. ` +
    "Put gene symbols or Ensembl ids into the index or any text column of var."
  );
}
