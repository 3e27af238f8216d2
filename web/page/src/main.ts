import wasmUrl from "onnxruntime-web/ort-wasm-simd-threaded.wasm?url";

import { fetchList, type Listed } from "./atlas/list";
import { CARD, EXAMPLE, fetchParts, openParts, type Parts, partsIn } from "./atlas/parts";
import type { Bundle } from "./mapping/samples";
import { App } from "./page/app";
import { chosenOf, leaveChoice, offerOthers, showChoice } from "./page/choice";
import { byId, fill } from "./page/dom";
import { questionMark } from "./page/explain/bubble";
import { WhichFits } from "./page/fits/which_fits";
import { readReference } from "./page/map/reference";
import { refuse } from "./page/refuse";
import { Mapper } from "./worker/client";
import { type Engine, fetchEngine, fetchKit, type Kit } from "./worker/kit";

const base = new URL(document.baseURI);

async function start(): Promise<void> {
  const atlases = await fetchList(base);
  const chosen = chosenOf(atlases);
  if (!chosen) return choose(atlases);
  await show(atlases, await fetchKit(new URL(`${chosen.folder}/`, base), wasmUrl));
}

/** Have an atlas chosen, by itself or by which one fits the cells that were brought. */
function choose(atlases: readonly Listed[]): void {
  let engine: Promise<Engine> | null = null;
  // a failure is told to whoever asks, who may ask again
  const fetched = () => (engine ??= fetchEngine(wasmUrl).catch((error) => ((engine = null), Promise.reject(error))));
  const pressed = (name: string) => {
    if (which.holds) which.choose(name);
    return which.holds;
  };
  const which = new WhichFits(showChoice(atlases, pressed), atlases, {
    engine: fetched,
    choose: ({ name, folder }, bundles, parts) => {
      leaveChoice(name);
      const kit = async () => ({
        ...(await fetched()),
        parts: parts ?? (await fetchParts(new URL(`${folder}/`, base))),
      });
      kit()
        .then((here) => show(atlases, here, bundles))
        .catch(refuse);
    },
  });
}

/** Show an atlas, and map what was brought for it. */
async function show(atlases: readonly Listed[], kit: Kit, bundles: Bundle[] = []): Promise<void> {
  offerOthers(atlases);
  const mapper = new Mapper(kit);
  const opening = mapper.open();
  opening.catch(() => undefined);
  const parts = await openParts(partsIn(kit.parts));
  const app = new App(parts, await readReference(parts), mapper, await cardOf(parts), exampleOf(parts, kit));
  if (bundles.length) app.map(bundles);
  const { cells, difference } = await opening;
  showVerified(
    `${cells} test cells of the atlas were mapped on this computer and give the published ` +
      `answers; the largest difference is ${difference.toExponential(0)}.`,
  );
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
