/** Reading `obs` and `var` as AnnData has stored them over the years. */

import { Dataset, type Entity, Group, type Reference } from "h5wasm";

import { damaged, InputError, readable } from "../errors";
import {
  isDataset,
  isGroup,
  isNumeric,
  readFloats,
  readIntegers,
  readTexts,
  textAttribute,
} from "./hdf5_values";
import { checkRows, type Column, type Frame, type GeneColumns } from "./source";

/** Open a stored table: a group, or the compound dataset of files from before anndata 0.7. */
export function readFrame(entity: Entity | null, where: string, root: Group): Frame {
  return readable(where, () => {
    if (isGroup(entity)) return frameOfGroup(entity, where);
    if (isDataset(entity)) return frameOfRecords(entity, where, root);
    throw new InputError(`${where} is neither a table nor a group`);
  });
}

/** The index and every text column of a `var` table. */
export function geneColumns(frame: Frame): GeneColumns {
  return readable(frame.where, () => {
    const columns: GeneColumns = new Map([["index", frame.index(0, frame.length)]]);
    for (const name of frame.textColumns) {
      const values = asTexts(frame.column(name));
      checkRows(frame, name, values.length);
      // as `reset_index` leaves it
      columns.set(name === "index" ? "index (column)" : name, values);
    }
    return columns;
  });
}

export function asTexts(column: Column): string[] {
  if (column.kind === "text") return column.values;
  if (column.kind === "category") {
    return Array.from(column.codes, (code) => (code < 0 ? "" : column.categories[code]));
  }
  return Array.from(column.values, (value) => (Number.isNaN(value) ? "" : String(value)));
}

function frameOfGroup(group: Group, where: string): Frame {
  const keys = group.keys();
  const index =
    textAttribute(group, "_index") || (keys.includes("_index") ? "_index" : "index");
  // a name with a slash lies in a group
  if (!keys.includes(index.split("/", 1)[0])) throw damaged(where, `its index '${index}' is not there`);
  const stated = group.attrs["column-order"]?.value;
  const order = Array.isArray(stated) ? stated.map(String).filter((n) => keys.includes(n)) : [];
  const hidden = new Set([index, "__categories", ...order]);
  const columns = [...order, ...keys.filter((name) => !hidden.has(name))];
  const names = group.get(index);
  return {
    where,
    length: rowCount(names),
    index: (start, stop) => indexTexts(names, group, start, stop),
    columns,
    textColumns: columns.filter((name) => holdsText(group.get(name))),
    column: (name) => readColumn(group.get(name), group),
  };
}

function indexTexts(entity: Entity | null, table: Group, start: number, stop: number): string[] {
  if (isDataset(entity) && !("categories" in entity.attrs)) return readTexts(entity, start, stop);
  if (isGroup(entity) && entity.keys().includes("values")) {
    return readTexts(part(entity, "values"), start, stop);
  }
  return asTexts(readColumn(entity, table)).slice(start, stop);
}

/** A column of any AnnData encoding: categories, nullable values, plain arrays. */
function readColumn(entity: Entity | null, table: Group | null = null): Column {
  if (isDataset(entity) && entity.shape?.length === 0) {
    // anndata 0.6 wrote the only category of a column without an axis
    return { kind: "text", values: [String(entity.value)] };
  }
  const n = rowCount(entity);
  if (isDataset(entity)) {
    const place = one(entity.attrs["categories"]?.value);
    if (place === undefined) return plain(entity, n);
    // anndata 0.7 wrote a reference to the categories of codes, others a path
    const apart =
      typeof place === "string"
        ? (table?.get(place) ?? null)
        : (entity.dereference(place as Reference) as unknown as Entity | null);
    return fromCodes(readIntegers(entity, 0, n), apart);
  }
  if (!isGroup(entity)) throw new InputError("it is neither a column nor an array");
  const keys = entity.keys();
  if (keys.includes("codes") && keys.includes("categories")) {
    return fromCodes(readIntegers(part(entity, "codes"), 0, n), entity.get("categories"));
  }
  const column = plain(part(entity, "values"), n);
  if (!keys.includes("mask")) return column;
  const mask = readIntegers(part(entity, "mask"), 0, n);
  if (rowCount(part(entity, "mask")) !== n) throw new InputError("its mask is of another length");
  mask.forEach((masked, i) => {
    if (!masked) return;
    if (column.kind === "number") column.values[i] = NaN;
    else if (column.kind === "text") column.values[i] = "";
    else column.codes[i] = -1;
  });
  return column;
}

function plain(dataset: Dataset, n: number): Column {
  if (dataset.metadata.type === 8) {
    const codes = Int32Array.from(readIntegers(dataset, 0, n));
    return { kind: "category", codes, categories: ["False", "True"] };
  }
  if (isNumeric(dataset)) return { kind: "number", values: readFloats(dataset, 0, n) };
  return { kind: "text", values: readTexts(dataset, 0, n) };
}

function fromCodes(codes: Float64Array, entity: Entity | null): Column {
  const categories = asTexts(readColumn(entity));
  for (const code of codes) {
    if (code < -1 || code >= categories.length) {
      throw new InputError("a code points beyond the categories");
    }
  }
  return { kind: "category", codes: Int32Array.from(codes), categories };
}

function part(group: Group, name: string): Dataset {
  const entity = group.get(name);
  if (!isDataset(entity)) throw new InputError(`its '${name}' is not there`);
  return entity;
}

function rowCount(entity: Entity | null): number {
  if (isGroup(entity)) {
    const name = ["codes", "values"].find((key) => entity.keys().includes(key));
    if (name) return rowCount(entity.get(name));
  }
  if (!isDataset(entity)) throw new InputError("it is neither a column nor an array");
  const shape = entity.shape ?? [];
  if (shape.length !== 1) throw new InputError(`it has ${shape.length} axes instead of one`);
  return shape[0];
}

function holdsText(entity: Entity | null): boolean {
  if (isDataset(entity)) return "categories" in entity.attrs || entity.metadata.type === 3;
  if (!isGroup(entity)) return false;
  const name = ["categories", "values"].find((key) => entity.keys().includes(key));
  return name !== undefined && holdsText(entity.get(name));
}

function frameOfRecords(table: Dataset, where: string, root: Group): Frame {
  const fields = table.metadata.compound_type?.members.map((member) => member.name) ?? [];
  if (!fields.length) {
    throw new InputError(
      `${where} is not a table that cellport knows; open the file with a current anndata and ` +
        "write it again",
    );
  }
  const index = ["index", "_index"].find((name) => fields.includes(name)) ?? fields[0];
  const columns = fields.filter((name) => name !== index);
  const n = table.shape?.[0] ?? 0;
  const values = (name: string, start: number, stop: number) => {
    const rows = stop > start ? (table.slice([[start, stop]]) as unknown[][]) : [];
    return rows.map((row) => {
      const value = row[fields.indexOf(name)];
      return ArrayBuffer.isView(value) ? (value as unknown as ArrayLike<unknown>)[0] : one(value);
    });
  };
  const uns = root.keys().includes("uns") ? root.get("uns") : null;
  const categories = (name: string) =>
    isGroup(uns) && uns.keys().includes(`${name}_categories`)
      ? uns.get(`${name}_categories`)
      : null;
  const isText = (name: string) =>
    table.metadata.compound_type?.members.find((m) => m.name === name)?.type === 3;
  return {
    where,
    length: n,
    index: (start, stop) => values(index, start, stop).map(String),
    columns,
    textColumns: columns.filter((name) => categories(name) !== null || isText(name)),
    column: (name) => {
      const found = values(name, 0, n);
      const groups = categories(name);
      if (groups) return fromCodes(Float64Array.from(found, Number), groups);
      if (isText(name)) return { kind: "text", values: found.map(String) };
      return { kind: "number", values: Float32Array.from(found, Number) };
    },
  };
}

function one(value: unknown): unknown {
  return Array.isArray(value) ? value[0] : value;
}
