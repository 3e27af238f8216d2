/** Symbols that genes had in other years. */

import table from "../../../../runtime/genes/data/human_previous_symbols.tsv?raw";

/** Ensembl id of each human symbol that was changed, before and after. */
export type PreviousSymbols = ReadonlyMap<string, string>;

/** The table: a part of the worker, so that nothing is fetched where genes are missing. */
export function previousSymbols(): PreviousSymbols {
  const found = new Map<string, string>();
  for (const line of table.split("\n")) {
    const [ensembl, ...symbols] = line.split("\t");
    for (const symbol of symbols) found.set(symbol, ensembl);
  }
  return found;
}

/** Whether the names of some panel genes are not there as they stand in the atlas. */
export function lacksNames(
  columns: ReadonlyMap<string, readonly string[]>,
  { symbols, ensembl }: { symbols: readonly string[]; ensembl: readonly string[] },
): boolean {
  const names = new Set<string>();
  for (const values of columns.values()) for (const value of values) names.add(value);
  return symbols.some((symbol, gene) => !names.has(symbol) && !names.has(ensembl[gene]));
}
