/** The part of a report about other atlases that were asked of the same cells.
 *
 * Same as `runtime/report/opinions_section.py` of the Python package.
 */

import decisions from "../../decisions";
import { counted, shareOf } from "../../words";
import { details, heads, type Html, name, names, NOTHING, paragraph, said, section, table } from "../html";
import type { Opinions } from "../opinions";
import type { Contents } from "./contents";

const { relations } = decisions.report;
const NAMED = 6;

/** How often atlases agree, where they do not, and which of their labels are which. */
export function opinionsSection({ opinions }: Contents): Html {
  if (!opinions) return NOTHING;
  const lead = paragraph(opinionsLead(opinions));
  return section("atlases", said("opinions_title"), lead, disagreements(opinions), alike(opinions));
}

export function opinionsLead({ asked, agreeing, cells }: Opinions): Html {
  return said("opinions_lead", { asked, share: shareOf(agreeing, cells) });
}

function disagreements({ disagreements: found }: Opinions): Html {
  if (!found.length) return NOTHING;
  const rows = found.map((one) => [name(one.joint), name(one.label), name(one.atlas), counted(one.cells, "cell")]);
  return table(heads("opinions"), rows, said("opinions_caption"), "");
}

function alike({ alike: found }: Opinions): Html {
  if (!found.length) return NOTHING;
  const rows = found.map(({ label, atlas, is, to }) => [name(label), name(atlas), relations[is], names(to, NAMED)]);
  const listed = table(heads("alike"), rows, said("alike_caption"), "");
  return details(said("alike", { labels: found.length }), listed);
}
