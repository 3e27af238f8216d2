/** Naming what cannot be read, and what to do about it: archives, tables, stand-ins. */

import decisions, { say } from "../decisions";
import { InputError } from "../errors";
import { isTable, tableRefusal } from "./tables";
import { inflated } from "./text_stream";

const { files } = decisions;
export const READABLE =
  ".h5ad, .h5mu, 10x .h5, or the three files of a folder with matrix.mtx (10x, STARsolo, kb-python, " +
  "alevin-fry, Parse)";
// of a file, enough to tell what it is: the mark of a tar archive ends at 262
const HEAD_BYTES = 1024;
const CONVERT: Record<string, string> = files.convert;
const ARCHIVES: Record<string, string> = files.archives;
const OF_R = new RegExp(`^(?:${files.r_beginnings.value})`);
const ENDINGS: Record<string, string> = files.archive_endings;

/** Refuse what was saved in place of a file: a pointer, a web page, a server's error. */
export async function refuseStandIn(file: File): Promise<void> {
  const head = (await headOf(file)).replace(/^\xef\xbb\xbf/, "");
  const row = files.stand_ins.find(({ begins }) => new RegExp(`^(?:${begins})`, "is").test(head));
  if (row) throw new InputError(say(row.said, { file: file.name }));
}

/** What to say of a file that is not HDF5. */
export async function notReadable(file: File): Promise<string> {
  await refuseStandIn(file);
  const { name } = file;
  const bare = name.toLowerCase().replace(/\.gz$/, "");
  const ending = /.\.([^.]*)$/.exec(bare)?.[1] ?? "";
  if (Object.hasOwn(CONVERT, ending)) {
    return say(files.to_convert, { file: name, what: CONVERT[ending] });
  }
  if (/(features|genes|barcodes)\.tsv$/.test(bare)) {
    return `${name} is one of three files; choose matrix.mtx.gz, features.tsv.gz and barcodes.tsv.gz together.`;
  }
  const archive = Object.hasOwn(ENDINGS, ending) ? ENDINGS[ending] : await archiveOf(file);
  if (!archive || archive === "gzip") {
    const inside = await headInside(file);
    if (/^%%matrixmarket/i.test(inside)) return say(files.matrix_alone, { file: name });
    if (files.table_endings.includes(ending) || isTable(inside)) return tableRefusal(file);
    if (OF_R.test(inside)) return say(files.to_convert, { file: name, what: CONVERT.rdata });
  }
  if (archive) return say(files.to_unpack, { file: name, what: ARCHIVES[archive] });
  const named = ["h5ad", "h5", "hdf5", "h5mu"].includes(ending);
  if (named) return say(files.not_hdf5, { file: name });
  return say(files.no_kind, { file: name, readable: READABLE });
}

/** The kind of archive that a file begins as. */
async function archiveOf(file: File): Promise<string | undefined> {
  const head = await headOf(file);
  const found = files.archive_beginnings.find(({ at, begins }) => {
    const wanted = begins.replace(/../g, (hex) => String.fromCharCode(parseInt(hex, 16)));
    return head.startsWith(wanted, at);
  });
  return found?.kind;
}

/** The beginning of a file through gzip; of one that is no gzip within, as it is. */
async function headInside(file: File): Promise<string> {
  let head = "";
  try {
    for await (const piece of inflated(file)) {
      head += String.fromCharCode(...piece.subarray(0, HEAD_BYTES));
      if (head.length >= HEAD_BYTES) break;
    }
  } catch {
    return headOf(file);
  }
  return head.slice(0, HEAD_BYTES);
}

async function headOf(file: File): Promise<string> {
  const bytes = new Uint8Array(await file.slice(0, HEAD_BYTES).arrayBuffer());
  return String.fromCharCode(...bytes);
}
