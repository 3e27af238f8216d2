/** Label cells with a cellport atlas, in plain JavaScript: written from docs/format.md alone.
 *
 *     npm install --prefix examples
 *     node examples/read_atlas.mjs ATLAS.cellport 10X_FOLDER > labels.tsv
 */

import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";

import { InferenceSession, Tensor } from "onnxruntime-node";

const SEAL = "cellport atlas, sha256 of all bytes before these 64: ";
const CELLS_AT_A_TIME = 256;

/** The members of a sealed zip of stored files, by name; views of the file's bytes. */
function openSealed(path) {
  const file = readFileSync(path);
  const comment = file.subarray(-SEAL.length - 64).toString("latin1");
  if (comment !== SEAL + sha256(file.subarray(0, -64))) throw new Error(`${path} is damaged.`);
  // the end of the directory is the 22 bytes before the comment
  const end = file.length - comment.length - 22;
  const members = new Map();
  let at = file.readUInt32LE(end + 16);
  for (let n = file.readUInt16LE(end + 10); n > 0; n--) {
    const [nName, nExtra, nComment] = [28, 30, 32].map((field) => file.readUInt16LE(at + field));
    const name = file.toString("utf8", at + 46, at + 46 + nName);
    if (file.readUInt16LE(at + 10) !== 0) throw new Error(`${name} is not stored.`);
    const local = file.readUInt32LE(at + 42);
    const data = local + 30 + file.readUInt16LE(local + 26) + file.readUInt16LE(local + 28);
    members.set(name, file.subarray(data, data + file.readUInt32LE(at + 24)));
    at += 46 + nName + nExtra + nComment;
  }
  return members;
}

function sha256(bytes) {
  return createHash("sha256").update(bytes).digest("hex");
}

/** What the atlas says of itself, once it is known that this reader understands it. */
function readManifest(members) {
  const manifest = JSON.parse(members.get("manifest.json").toString());
  // how sure labels are, and which are possible, no label depends on
  const aside = ["information_power", "set_mass"];
  const needs = Object.keys(manifest.requires ?? {}).filter((name) => !aside.includes(name));
  if (manifest.format_version !== 1) throw new Error(`Format ${manifest.format_version} is not read.`);
  if (needs.length) throw new Error(`The atlas uses ${needs}, which this reader does not know.`);
  if (manifest.input.library !== "panel") throw new Error("Counts beyond the panel are needed.");
  if (!manifest.labels.length) throw new Error("The atlas has no labels.");
  const stated = manifest.members["encoder.onnx"].sha256;
  if (sha256(members.get("encoder.onnx")) !== stated) throw new Error("encoder.onnx is damaged.");
  return manifest;
}

/** Lines of a text file, plain or gzipped. */
function linesOf(folder, ...names) {
  const paths = names.flatMap((name) => [join(folder, name), join(folder, `${name}.gz`)]);
  const path = paths.find(existsSync);
  if (!path) throw new Error(`${folder} holds no ${names[0]}.`);
  const bytes = readFileSync(path);
  const text = (path.endsWith(".gz") ? gunzipSync(bytes) : bytes).toString();
  return text.split(/\r?\n/).filter((line) => line !== "");
}

/** Position in the panel of each of the query's genes, -1 for others: by names, or by ids. */
function matchGenes(panel, columns) {
  const position = new Map();
  for (const names of [panel.ensembl, panel.symbols]) {
    names.forEach((name, gene) => name && position.set(name, gene));
  }
  const found = columns.map((names) => names.map((name) => position.get(name) ?? -1));
  const matched = found.map((genes) => new Set(genes.filter((gene) => gene >= 0)).size);
  return found[matched.indexOf(Math.max(...matched))];
}

/** Cells of a 10x folder: their names, and for each its panel genes and counts. */
function readCells(folder, panel) {
  const features = linesOf(folder, "features.tsv", "genes.tsv").map((line) => line.split("\t"));
  const column = matchGenes(panel, [features.map((row) => row[1]), features.map((row) => row[0])]);
  const barcodes = linesOf(folder, "barcodes.tsv");
  const cells = barcodes.map(() => []);
  const [, ...entries] = linesOf(folder, "matrix.mtx").filter((line) => !line.startsWith("%"));
  for (const entry of entries) {
    const [gene, cell, count] = entry.trim().split(/\s+/).map(Number);
    if (column[gene - 1] >= 0) cells[cell - 1].push([column[gene - 1], count]);
  }
  return { barcodes, cells, measured: new Set(column) };
}

/** The most probable label of each cell; one without counts in the panel is unknown. */
async function labelsOf(cells, measured, manifest, encoder) {
  const { labels, panel } = manifest;
  const nGenes = panel.symbols.length;
  const nothing = Float32Array.from({ length: nGenes }, (_, gene) => (measured.has(gene) ? 0 : NaN));
  const counts = new Float32Array(cells.length * nGenes);
  cells.forEach((entries, cell) => {
    counts.set(nothing, cell * nGenes);
    for (const [gene, count] of entries) counts[cell * nGenes + gene] += count;
  });
  const input = new Tensor("float32", counts, [cells.length, nGenes]);
  const { label_prob: prob } = await encoder.run({ counts: input }, ["label_prob"]);
  return cells.map((entries, cell) => {
    const row = prob.data.subarray(cell * labels.length, (cell + 1) * labels.length);
    return entries.some(([, count]) => count > 0) ? labels[row.indexOf(Math.max(...row))] : "unknown";
  });
}

const [atlas, folder] = process.argv.slice(2);
const members = openSealed(atlas);
const manifest = readManifest(members);
const { barcodes, cells, measured } = readCells(folder, manifest.panel);
const encoder = await InferenceSession.create(members.get("encoder.onnx"));
for (let start = 0; start < cells.length; start += CELLS_AT_A_TIME) {
  const some = cells.slice(start, start + CELLS_AT_A_TIME);
  const labels = await labelsOf(some, measured, manifest, encoder);
  labels.forEach((label, cell) => console.log(`${barcodes[start + cell]}\t${label}`));
}
