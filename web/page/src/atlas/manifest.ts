/** What an atlas says of itself: `manifest.json`. */

import { AtlasError } from "../errors";

export interface Manifest {
  name: string;
  licence: string;
  organism: string;
  created: string;
  symbols: string[];
  ensembl: string[];
  targetSum: number;
  nLatent: number;
  labels: string[];
  parents: Record<string, string>;
  setProb: number[];
  thresholds: Record<string, number>;
  training: Record<string, unknown>;
  /** SHA-256 of each member, hexadecimal. */
  hashes: Record<string, string>;
  /** SHA-256 of the whole atlas file. */
  sha256: string;
  /** Version of cellport that wrote the site. */
  cellportVersion: string;
}

const FORMAT = 1;
const THRESHOLDS = ["call_prob", "set_level", "low_depth", "low_gene_coverage", "novelty_p"];

export function readManifest(text: string): Manifest {
  let found: Record<string, unknown>;
  try {
    found = JSON.parse(text) as Record<string, unknown>;
  } catch {
    throw new AtlasError("The atlas's manifest is not valid JSON; publish the atlas again.");
  }
  if (found.format_version !== FORMAT) {
    throw new AtlasError(
      `The atlas has format ${String(found.format_version)}; this page reads format ${FORMAT}. ` +
        "Publish the atlas again with one version of cellport.",
    );
  }
  const field = <T>(name: string, fits: (value: unknown) => boolean): T => {
    if (!fits(found[name])) {
      throw new AtlasError(`Field '${name}' of the atlas's manifest is missing or malformed.`);
    }
    return found[name] as T;
  };
  const text_ = (name: string) => field<string>(name, (v) => typeof v === "string");
  const texts = (name: string) =>
    field<string[]>(name, (v) => Array.isArray(v) && v.every((i) => typeof i === "string"));
  const number = (name: string) => field<number>(name, isNumber);
  const manifest: Manifest = {
    name: text_("name"),
    licence: text_("licence"),
    organism: text_("organism"),
    created: text_("created"),
    symbols: texts("symbols"),
    ensembl: texts("ensembl"),
    targetSum: number("target_sum"),
    nLatent: number("n_latent"),
    labels: texts("labels"),
    parents: field("parents", isRecord),
    setProb: field("set_prob", (v) => Array.isArray(v) && v.every(isNumber)),
    thresholds: field("thresholds", (v) => isRecord(v) && THRESHOLDS.every((t) => isNumber(v[t]))),
    training: field("training", isRecord),
    hashes: hashes(field("members", isRecord)),
    sha256: text_("sha256"),
    cellportVersion: text_("cellport_version"),
  };
  if (
    manifest.symbols.length === 0 ||
    manifest.symbols.length !== manifest.ensembl.length ||
    manifest.setProb.length !== manifest.labels.length
  ) {
    throw new AtlasError("Gene or label lists of the atlas's manifest do not fit each other.");
  }
  return manifest;
}

function hashes(members: Record<string, { sha256?: unknown }>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(members).map(([name, entry]) => [name, String(entry?.sha256 ?? "")]),
  );
}

function isNumber(value: unknown): value is number {
  return typeof value === "number" && Number.isFinite(value) && value >= 0;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
