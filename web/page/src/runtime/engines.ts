/** What maps with each open atlas. */

import { InputError } from "../errors";
import type { Atlas as Engine } from "../mapping/atlas";
import type { Atlas } from "./types";

export const engines = new WeakMap<Atlas, Engine>();

export function engineOf(atlas: Atlas): Engine {
  const engine = engines.get(atlas);
  if (!engine) throw new InputError("This is no open atlas; give what openAtlas gave.");
  return engine;
}
