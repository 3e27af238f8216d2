/** The atlases of a site, as its `atlases.json` tells them. */

import { AtlasError } from "../errors";
import { fetched } from "./parts";
import { list, object, record, text, whole } from "./typed_json";

const LIST = "atlases.json";

const readListed = record({
  name: text,
  folder: text,
  title: text,
  organism: text,
  labels: list(text),
  genes: whole,
  cells: whole,
  source: text,
  bytes: whole,
});

/** An atlas of a site: its name in addresses, where its parts lie, and what it is. */
export type Listed = ReturnType<typeof readListed>;

export async function fetchList(base: URL): Promise<Listed[]> {
  const stated = await fetched(new URL(LIST, base), "The list of atlases");
  try {
    const found = list((one: unknown, field: string) => readListed(object(one, field), field))(
      JSON.parse(await stated.text()),
      "",
    );
    if (found.length) return found;
  } catch {
    // said below
  }
  throw new AtlasError("The list of atlases of this site is damaged; publish it again.");
}
