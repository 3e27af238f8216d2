/** Symbols that genes had in other years. */

/** Ensembl id of each human symbol that was changed, before and after. */
export type PreviousSymbols = ReadonlyMap<string, string>;

/** The table, a file of its own that is fetched only where genes are missing. */
export async function previousSymbols(): Promise<PreviousSymbols> {
  const table = await import(
    "../../../../runtime/genes/data/human_previous_symbols.tsv?raw"
  );
  const found = new Map<string, string>();
  for (const line of table.default.split("\n")) {
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
