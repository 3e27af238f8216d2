/** AnnData inside something larger: the RNA modality of a MuData, the table of a SpatialData. */

import type { Group } from "h5wasm";

import decisions, { say } from "../decisions";
import { InputError } from "../errors";
import { featureKinds } from "../feature_kinds";
import { isGroup } from "./hdf5_values";

const { files } = decisions;

/** The group that is an AnnData, its title, and a note where it is not the root. */
export function findAnndata(root: Group, title: string): [Group, string, string[]] {
  const keys = root.keys();
  for (const [place, whole] of [
    ["mod", "X"],
    ["tables", "obs"],
  ]) {
    const above = keys.includes(place) && !keys.includes(whole) ? root.get(place) : null;
    if (!isGroup(above)) continue;
    const names = above.keys().filter((name) => {
      const one = above.get(name);
      return isGroup(one) && one.keys().includes("obs");
    });
    if (!names.length) continue;
    const { others: noGenes } = featureKinds(names);
    if (place === "mod" && noGenes.size === new Set(names).size) {
      const listed = names.map((name) => `${place}/${name}`).join(", ");
      throw new InputError(say(files.no_rna_inside, { title, names: listed }));
    }
    const isRna = (name: string) => files.rna_modalities.includes(name.toLowerCase());
    let rna = names.length > 1 ? names.filter(isRna) : names;
    if (place === "mod" && !rna.length) rna = names.filter((name) => !noGenes.has(name));
    if (rna.length !== 1) {
      const listed = names.map((name) => `${place}/${name}`).join(", ");
      throw new InputError(say(files.several_inside, { title, names: listed }));
    }
    const inside = `${place}/${rna[0]}`;
    const others = names.filter((name) => !rna.includes(name)).join(", ");
    const note = others
      ? say(files.inside_of_several, { title, inside, others })
      : say(files.inside, { title, inside });
    return [above.get(rna[0]) as Group, `${title}, ${inside}`, [note]];
  }
  return [root, title, []];
}
