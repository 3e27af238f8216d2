import wasmUrl from "onnxruntime-web/ort-wasm-simd-threaded.wasm?url";

import { fetchList } from "./atlas/list";
import { CARD, EXAMPLE, openParts, type Parts, partsIn } from "./atlas/parts";
import { App } from "./page/app";
import { chosenOf, offerOthers, showChoice } from "./page/choice";
import { byId, fill } from "./page/dom";
import { questionMark } from "./page/explain/bubble";
import { readReference } from "./page/map/reference";
import { refuse } from "./page/refuse";
import { Mapper } from "./worker/client";
import { fetchKit, type Kit } from "./worker/kit";

async function start(): Promise<void> {
  const atlases = await fetchList(new URL(document.baseURI));
  const chosen = chosenOf(atlases);
  if (!chosen) return showChoice(atlases);
  offerOthers(atlases);
  const kit = await fetchKit(new URL(`${chosen.folder}/`, document.baseURI), wasmUrl);
  const mapper = new Mapper(kit);
  const opening = mapper.open();
  opening.catch(() => undefined);
  const parts = await openParts(partsIn(kit.parts));
  const app = new App(parts, await readReference(parts), mapper, await cardOf(parts), exampleOf(parts, kit));
  const { cells, difference } = await opening;
  showVerified(
    `${cells} test cells of the atlas were mapped on this computer and give the published ` +
      `answers; the largest difference is ${difference.toExponential(0)}.`,
  );
  void app;
}

/** The card in Markdown; null of an atlas without one. */
async function cardOf(parts: Parts): Promise<string | null> {
  const { members } = parts.manifest;
  return members.has(CARD) ? new TextDecoder().decode(await parts.bytes(CARD)) : null;
}

/** The example cells as a file; null of a site without any. */
function exampleOf({ manifest: { example } }: Parts, kit: Kit): File | null {
  const blob = kit.parts.get(EXAMPLE);
  return example && blob ? new File([blob], example.name) : null;
}

function showVerified(how: string): void {
  const badge = byId("verified");
  badge.hidden = false;
  fill(badge, "Verified on this computer", questionMark("verified", how));
}

start().catch(refuse);
