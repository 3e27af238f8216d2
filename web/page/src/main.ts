import wasmUrl from "onnxruntime-web/ort-wasm-simd-threaded.wasm?url";

import { openParts, partsIn } from "./atlas/parts";
import { App, refuse } from "./page/app";
import { byId } from "./page/dom";
import { readReference } from "./page/map/reference";
import { Mapper } from "./worker/client";
import { fetchKit } from "./worker/kit";

async function start(): Promise<void> {
  const base = new URL("atlas/", document.baseURI).href;
  const kit = await fetchKit(new URL(base), wasmUrl);
  const mapper = new Mapper(kit);
  const opening = mapper.open();
  opening.catch(() => undefined);
  const parts = await openParts(partsIn(kit.parts));
  const app = new App(parts, await readReference(parts), mapper, `${base}README.md`);
  const { cells, difference } = await opening;
  const badge = byId("verified");
  badge.hidden = false;
  badge.textContent = "Verified on this computer";
  badge.title =
    `${cells} test cells of the atlas give the published answers here; ` +
    `the largest difference is ${difference.toExponential(0)}.`;
  void app;
}

start().catch(refuse);
