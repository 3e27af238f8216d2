/** What the installed package makes of cases: reads them as JSON, writes labels, numbers, sentences.
 *
 * Lies in a project that has it: node answers.mjs CASES.json
 */

import { readFileSync } from "node:fs";

import { mapBlocks, mapCounts, mapFile, openAtlas, texts, toCsv } from "@cellport/runtime";

const opened = new Map();

async function open(path) {
  if (!opened.has(path)) opened.set(path, await openAtlas(path));
  return opened.get(path);
}

function told(mapping) {
  const { cells, notes, countsFrom, genes, columns } = mapping;
  const prob = [...(columns.get("cellport_prob")?.values ?? [])];
  return { cells, notes, countsFrom, matched: genes?.n_matched, labels: texts(mapping, "cellport_label"), prob };
}

const ways = {
  open: async ({ atlas }) => {
    const { name, sha256, labels, genes, card, manifest } = await openAtlas(atlas);
    return { name, sha256, labels: [...labels], genes: genes.length, card, manifest };
  },
  path: async ({ atlas, query, options }) => told(await mapFile(await open(atlas), query, options)),
  bytes: async ({ atlas, query, options }) => {
    return told(await mapFile(await openAtlas(readFileSync(atlas)), readFileSync(query), options));
  },
  counts: async ({ atlas, counts, options }) => told(await mapCounts(await open(atlas), counts, options)),
  blocks: async ({ atlas, query, options }) => {
    const found = { sizes: [], cells: [], labels: [], prob: [] };
    const progress = [];
    const onProgress = ({ done, total }) => progress.push([done, total]);
    for await (const block of mapBlocks(await open(atlas), query, { ...options, onProgress })) {
      const { cells, labels, prob } = told(block);
      found.sizes.push(block.nCells);
      found.cells.push(...cells);
      found.labels.push(...labels);
      found.prob.push(...prob);
    }
    return { ...found, progress };
  },
  twice: async ({ atlas, query }) => {
    const opened = await open(atlas);
    const [one, other] = await Promise.all([mapFile(opened, query), mapFile(opened, query)]);
    return { same: toCsv(one) === toCsv(other) };
  },
};

const found = [];
for (const one of JSON.parse(readFileSync(process.argv[2], "utf8"))) {
  try {
    found.push(await ways[one.way](one));
  } catch (error) {
    found.push({ error: error.name, sentence: error.message });
  }
}
console.log(JSON.stringify(found));
