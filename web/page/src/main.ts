import wasmUrl from "onnxruntime-web/ort-wasm-simd-threaded.wasm?url";

import { fetchList, type Listed } from "./atlas/list";
import { CARD, EXAMPLE, fetchParts, openParts, type Parts, partsIn } from "./atlas/parts";
import type { Bundle } from "./mapping/samples";
import type { Verification } from "./mapping/verify";
import { App } from "./page/app";
import { alsoWanted, chosenOf, leaveChoice, offerOthers, showChoice, tellAlso } from "./page/choice";
import { byId, fill } from "./page/dom";
import { questionMark } from "./page/explain/bubble";
import { WhichFits } from "./page/fits/which_fits";
import { readReference } from "./page/map/reference";
import { OtherAtlases } from "./page/others/other_atlases";
import { refuse } from "./page/refuse";
import { Mapper } from "./worker/client";
import { type Engine, fetchEngine, fetchKit, type Kit } from "./worker/kit";

const base = new URL(document.baseURI);

async function start(): Promise<void> {
  const atlases = await fetchList(base);
  const chosen = chosenOf(atlases);
  if (!chosen) return choose(atlases);
  await show(atlases, chosen, await fetchKit(new URL(`${chosen.folder}/`, base), wasmUrl));
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
    choose: (atlas, bundles, parts, also) => {
      const { name, folder } = atlas;
      leaveChoice(name);
      tellAlso(also);
      const kit = async () => ({
        ...(await fetched()),
        parts: parts ?? (await fetchParts(new URL(`${folder}/`, base))),
      });
      kit()
        .then((here) => show(atlases, atlas, here, bundles))
        .catch(refuse);
    },
  });
}

/** Show an atlas, and map what was brought for it. */
async function show(atlases: readonly Listed[], shown: Listed, kit: Kit, bundles: Bundle[] = []): Promise<void> {
  offerOthers(atlases);
  const mapper = new Mapper(kit);
  const opening = mapper.open();
  opening.catch(() => undefined);
  const parts = await openParts(partsIn(kit.parts));
  const wanted = alsoWanted();
  const { organism, head } = parts.manifest;
  const heard = (one: Listed) => head.kind === "softmax" && one.organism === organism;
  const beside = atlases.filter((one) => one.name !== shown.name && (heard(one) || wanted.includes(one.name)));
  const others = new OtherAtlases(beside, wanted, {
    verify: (one) => mapper.openAnother(one),
    changed: (names, verified) => {
      tellAlso(names);
      byId("verified").hidden = true;
      if (verified) opening.then((first) => showVerified([first, ...verified])).catch(() => undefined);
    },
  });
  const app = new App(parts, await readReference(parts), mapper, others, await cardOf(parts), exampleOf(parts, kit));
  if (bundles.length) app.map(bundles);
  const first = await opening;
  if (!others.asked) showVerified([first]);
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

function showVerified(all: readonly Verification[]): void {
  const cells = all.reduce((sum, one) => sum + one.cells, 0);
  const difference = Math.max(...all.map((one) => one.difference));
  const how =
    `${cells} test cells of the ${all.length > 1 ? "atlases" : "atlas"} were mapped on this computer and give the ` +
    `published answers; the largest difference is ${difference.toExponential(0)}.`;
  const badge = byId("verified");
  badge.hidden = false;
  fill(badge, "Verified on this computer", questionMark("verified", how));
}

start().catch(refuse);
