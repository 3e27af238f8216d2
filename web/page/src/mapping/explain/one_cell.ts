/** Counts of one cell of a mapping, for why it has its label. */

import { InputError } from "../../errors";
import { linearFeatures, type PanelGenes } from "../features";
import type { KeptCounts } from "../kept_counts";
import { BLOCK_CELLS } from "../options";
import { checkedBlocks } from "../query";
import type { Sample } from "../samples";
import { type CountedCell, countCell, measuredBasis } from "./counted";

/** Those that were kept, or by reading its file again as far as to the cell, which is numbered among all. */
export async function countOne(
  { query, start }: Sample,
  panel: PanelGenes,
  kept: KeptCounts | null,
  cell: number,
): Promise<CountedCell> {
  const basis = measuredBasis(query, panel);
  const known = kept?.fits ? kept.cell(cell) : null;
  if (known) return countCell(basis, known, 0);
  for await (const block of checkedBlocks(query, BLOCK_CELLS)) {
    const at = cell - start - block.start;
    if (at < block.nCells) return countCell(basis, linearFeatures(query.basis, block), at);
  }
  throw new InputError("This cell is gone; map the file again.");
}
