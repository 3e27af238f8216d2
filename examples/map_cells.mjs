/** Label cells with the package @cellport/runtime under Node.
 *
 *     npm install @cellport/runtime onnxruntime-web
 *     node map_cells.mjs ATLAS.cellport CELLS > cells.csv
 */

import { AtlasError, InputError, mapFile, openAtlas, texts, toCsv } from "@cellport/runtime";

const [atlasPath, cellsPath] = process.argv.slice(2);
try {
  const atlas = await openAtlas(atlasPath);
  const onProgress = ({ done, total }) => process.stderr.write(`\r${done} of ${total} cells`);
  const mapping = await mapFile(atlas, cellsPath, { onProgress });
  process.stderr.write("\n");
  for (const note of mapping.notes) console.error(note);
  const labels = new Set(texts(mapping, "cellport_label"));
  console.error(`${labels.size} types; ${mapping.genes.n_matched} genes of ${atlas.name} were found`);
  process.stdout.write(toCsv(mapping));
} catch (error) {
  if (!(error instanceof InputError || error instanceof AtlasError)) throw error;
  console.error(error.message);
  process.exitCode = 2;
}
