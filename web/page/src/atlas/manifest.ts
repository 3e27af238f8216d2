/** What an atlas says of itself: `manifest.json`, described in `docs/format.md`.
 *
 * Read and refused as `runtime/atlas/manifest.py` of the Python package does, in the same words.
 */

import decisions, { type Places, say } from "../decisions";
import { AtlasError } from "../errors";
import { FORMAT_VERSION, VERSION } from "../version";
import { buildTree } from "./label_tree";
import {
  anything,
  dictionary,
  flag,
  list,
  MalformedError,
  nullable,
  object,
  oneOf,
  optional,
  pair,
  real,
  record,
  text,
  UnknownValueError,
  whole,
} from "./typed_json";

const { format } = decisions;

const readInput = record({
  library: oneOf("panel", "query", "none"),
  target: nullable(real),
  log1p: flag,
  centre: flag,
  scale: flag,
  cap: flag,
});
const readCalibration = record({
  state: oneOf("left_out_batches", "held_out_cells", "none"),
  softness: optional(real, 0),
  temperature: optional(real, 1),
  information_power: optional(real, 0),
});
const readHead = record({
  kind: oneOf("softmax", "sigmoids", "prototypes", "none"),
  calibration: readCalibration,
  set_prob: optional(list(real), []),
  set_mass: optional(real, 0),
});
const readThresholds = record({
  low_depth: real,
  low_gene_coverage: real,
  novelty_p: real,
  set_level: real,
  call_prob: real,
});
const readGraph = record({
  milestones: list(text),
  edges: list(pair),
  terminals: list(whole),
  root_from: optional(list(text), []),
});
const readBin = record({ low: real, high: real, cells: whole, confidence: real, accuracy: real });
const readSets = record({
  level: real,
  coverage: real,
  mean_size: real,
  coverage_degraded: real,
  mean_size_degraded: real,
});
const readHeldOut = record({
  by: oneOf("batch", "cell"),
  cells: whole,
  accuracy: real,
  macro_f1: real,
  ece: real,
  by_label: dictionary(record({ cells: whole, recall: real })),
  reliability: list(readBin),
  sets: optional(nullable(readSets), null),
});
const readProvenance = record({
  created: text,
  made_by: text,
  cells: whole,
  source: optional(text, ""),
  authors: optional(text, ""),
  licence: optional(text, ""),
  attribution: optional(text, ""),
  limits: optional(text, ""),
  converted_from: optional(text, ""),
  training: optional(dictionary(anything), new Map()),
});
const readAssumedBatch = record({
  batches: list(text),
  weights: list(real),
  cells: optional(whole, 0),
  agreement: optional(nullable(real), null),
  shift: optional(nullable(real), null),
});
const readRequires = optional(dictionary(text), new Map());
const readFields = record({
  name: text,
  organism: text,
  panel: record({
    symbols: list(text),
    ensembl: list(text),
    exact: optional(flag, false),
    other_names: optional(list(text), []),
  }),
  input: readInput,
  fill: oneOf("factors", "mean", "zero"),
  n_latent: whole,
  answers: list(text),
  labels: list(text),
  parents: dictionary(text),
  head: readHead,
  batches: list(text),
  thresholds: readThresholds,
  structure: nullable(
    record({
      clusters: list(text),
      trajectory: optional(nullable(readGraph), null),
      no_trajectory: optional(text, ""),
    }),
  ),
  held_out: nullable(readHeldOut),
  provenance: readProvenance,
  assumed_batch: optional(nullable(readAssumedBatch), null),
  label_terms: optional(dictionary(text), new Map()),
  minimum_runtime: optional(text, "0.1.0"),
  requires: readRequires,
});
/** What the server or the site adds: hashes of the members and of the whole file, and which cells
 * the page can be tried with. */
const readSite = record({
  members: dictionary(record({ sha256: text })),
  sha256: text,
  // added by the site: id and name of the term of each label and group, and what to know of them
  terms: optional(dictionary(list(text)), new Map()),
  term_notes: optional(list(text), []),
  example: optional(nullable(record({ name: text, about: text, sha256: text })), null),
});

export type AssumedBatch = ReturnType<typeof readAssumedBatch>;
export type Graph = ReturnType<typeof readGraph>;
export type Manifest = ReturnType<typeof readFields> & ReturnType<typeof readSite>;

export function readManifest(json: string): Manifest {
  let values: Record<string, unknown>;
  try {
    values = object(JSON.parse(json), "");
  } catch {
    throw refusal(format.not_json);
  }
  const { format_version: version } = values;
  if (version !== FORMAT_VERSION) {
    const newer = Number.isInteger(version) && Number(version) > FORMAT_VERSION;
    const remedy = newer ? format.update : format.get_again;
    const stated = JSON.stringify(version ?? null);
    throw refusal(format.other_format, { version: stated, newest: FORMAT_VERSION, remedy });
  }
  try {
    refuseNewer(values);
    const manifest = { ...readFields(values, ""), ...readSite(values, "") };
    checkLists(manifest);
    refuseUnbuilt(manifest);
    return manifest;
  } catch (error) {
    if (error instanceof MalformedError) throw malformed(error.field);
    if (!(error instanceof UnknownValueError)) throw error;
    const { field, value } = error;
    throw refusal(format.unknown_value, { field, value: JSON.stringify(value) });
  }
}

export function panelNames({ panel }: Pick<Manifest, "panel">): string[] {
  return panel.symbols.map((symbol, gene) => symbol || panel.ensembl[gene]);
}

/** None without structure. */
export function clustersOf({ structure }: Pick<Manifest, "structure">): string[] {
  return structure?.clusters ?? [];
}

/** Whether there are reference cells to compare with: novelty, neighbours, a 2-D map. */
export function hasReference({ answers }: Pick<Manifest, "answers">): boolean {
  return answers.includes("novelty_score");
}

/** Whether labels come with probabilities. */
export function givesProb({ head }: Pick<Manifest, "head">): boolean {
  return head.kind === "softmax" || head.kind === "sigmoids";
}

export function graphOf({ structure }: Pick<Manifest, "structure">): Graph | null {
  return structure?.trajectory ?? null;
}

export function edgeNames({ edges, milestones }: Graph): string[] {
  return edges.map(([start, end]) =>
    say(decisions.structure.edge, { start: milestones[start], end: milestones[end] }),
  );
}

export function terminalNames({ terminals, milestones }: Graph): string[] {
  return terminals.map((at) => milestones[at]);
}

/** Milestones at which no edge ends. */
export function rootsOf({ edges, milestones }: Graph): string[] {
  const reached = new Set(edges.map(([, end]) => end));
  return milestones.filter((_, at) => !reached.has(at));
}

/** An error about the atlas in the words of all runtimes. */
export function refusal(sentence: string, places: Places = {}): AtlasError {
  return new AtlasError(say(sentence, { atlas: "The atlas", cellport: VERSION, ...places }));
}

function malformed(field: string): AtlasError {
  return refusal(format.malformed, { field });
}

/** Refuse what another version wrote, before fields are looked at that it may have changed. */
function refuseNewer(values: Record<string, unknown>): void {
  const { minimum_runtime: oldest } = values;
  const known: readonly string[] = format.known.value;
  const unknown = [...readRequires(values.requires, "requires")]
    .filter(([feature]) => !known.includes(feature))
    .sort(([one], [other]) => (one < other ? -1 : 1));
  for (const [feature, since] of unknown) throw refusal(format.requires, { feature, since });
  const isVersion = new RegExp(`^(?:${format.version.value})$`);
  if (typeof oldest !== "string" || !isVersion.test(oldest)) throw malformed("minimum_runtime");
  if (isNewer(oldest, VERSION)) throw refusal(format.too_old, { oldest });
}

function isNewer(version: string, than: string): boolean {
  const [one, other] = [version, than].map((stated) => stated.split(".").map(Number));
  const at = [0, 1, 2].find((i) => (one[i] ?? -1) !== (other[i] ?? -1));
  return at !== undefined && (one[at] ?? -1) > (other[at] ?? -1);
}

function checkLists(manifest: Manifest): void {
  const { panel, labels, head, answers, input } = manifest;
  const graph = graphOf(manifest);
  const lists: [string, boolean][] = [
    ["panel", panel.symbols.length > 0 && panel.symbols.length === panel.ensembl.length],
    ["panel.other_names", [0, panel.symbols.length].includes(panel.other_names.length)],
    ["labels", isDistinct(labels)],
    ["label_terms", [...manifest.label_terms.keys()].every((label) => labels.includes(label))],
    ["head", (head.kind === "none") === (labels.length === 0)],
    ["head.set_prob", [0, labels.length].includes(head.set_prob.length)],
    ["head.calibration", head.calibration.information_power >= 0],
    ["head.set_mass", head.set_mass >= 0 && head.set_mass < 1],
    ["answers", decided(manifest).every(([name, there]) => answers.includes(name) === there)],
    ["batches", manifest.batches.length > 0 || !hasReference(manifest)],
    ["structure", manifest.structure === null || hasReference(manifest)],
    ["fill", manifest.fill === "factors" || (manifest.fill === "mean") === input.centre],
    ["input.target", (input.library === "none") === (input.target === null)],
    ["structure.clusters", isDistinct(clustersOf(manifest))],
    ["structure.trajectory", graph === null || joins(graph)],
  ];
  const wrong = lists.find(([, fits]) => !fits);
  if (wrong) throw refusal(format.contradicted, { field: wrong[0] });
  buildTree(labels, manifest.parents);
}

/** Answers that come with what the manifest states, and whether they do. */
function decided(manifest: Manifest): [string, boolean][] {
  return [
    ["label_prob", givesProb(manifest)],
    ["label_score", manifest.head.kind === "sigmoids"],
    ["label_distance", manifest.head.kind === "prototypes"],
    ["umap", hasReference(manifest)],
  ];
}

function joins({ milestones, edges, terminals }: Graph): boolean {
  const known = [...edges.flat(), ...terminals].every((end) => end < milestones.length);
  const some = edges.length > 0 && terminals.length > 0;
  return known && some && isDistinct(terminals) && isDistinct(milestones);
}

function isDistinct(values: readonly unknown[]): boolean {
  return new Set(values).size === values.length;
}

function refuseUnbuilt(manifest: Manifest): void {
  for (const [field, built] of Object.entries(format.built)) {
    const value = field
      .split(".")
      .reduce<unknown>((at, part) => (at as Record<string, unknown>)[part], manifest);
    if (!(built as unknown[]).includes(value)) {
      const can = built.map((one) => JSON.stringify(one)).join(" or ");
      throw refusal(format.unbuilt, { field, value: JSON.stringify(value), built: can });
    }
  }
  for (const answer of format.needed_answers.value) {
    if (!manifest.answers.includes(answer)) throw refusal(format.unanswered, { answer });
  }
  if (manifest.input.target === 0) throw malformed("input.target");
}
