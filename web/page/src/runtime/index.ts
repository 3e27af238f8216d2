/**
 * Map single cells onto a cellport atlas, in browsers and under Node.
 *
 * Nothing is uploaded, and nothing fetched but the address that `openAtlas` is given.
 */

export { AtlasError, InputError } from "../errors";
export type { ResultColumn, ResultMatrix } from "../mapping/columns";
export type { Counts } from "../sources/memory";
export { VERSION } from "../version";
export { mapBlocks, mapCounts, mapFile, texts, toCsv } from "./map";
export { openAtlas } from "./open_atlas";
export type {
  Atlas,
  AtlasSource,
  Block,
  Cells,
  GeneMatching,
  Mapping,
  Options,
  Progress,
  QuerySource,
} from "./types";
export { answerPage, type InWorker, startWorker } from "./worker";
