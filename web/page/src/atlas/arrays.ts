/** The arrays and answers of an atlas: name, type and shape of each, in terms of the manifest. */

import decisions, { say } from "../decisions";
import { clustersOf, givesProb, graphOf, hasReference, type Manifest, refusal } from "./manifest";
import type { NpyArray } from "./npy";

interface ArraySpec {
  name: string;
  dtype: string;
  /** Extents: those of the manifest by name, numbers, and others that are the same wherever met. */
  shape: (string | number)[];
  when: string;
  /** Its numbers are larger. */
  above?: number;
  /** Its codes begin here. */
  least?: number;
  /** The extent that its codes stay below. */
  below?: string;
}

const { format } = decisions;
const ANSWERS: readonly ArraySpec[] = format.answers;
const ARRAYS: readonly ArraySpec[] = format.arrays;
const DTYPES: Record<string, string> = { f4: "float32", i4: "int32", u1: "uint8" };

/** Shape of each answer for one cell, by name, in order. */
export function answersOf(manifest: Manifest): Map<string, number[]> {
  const known = extents(manifest);
  const there = ANSWERS.filter(({ when }) => has(manifest, when));
  return new Map(
    there.map(({ name, shape }) => [
      name,
      shape.map((one) => (typeof one === "string" ? known.get(one)! : one)),
    ]),
  );
}

/** Refuse an atlas that lacks an array it must have. */
export function checkPresence(manifest: Manifest, isThere: (array: string) => boolean): void {
  const lacking = specsOf(manifest).find(({ name, when }) => has(manifest, when) && !isThere(name));
  if (lacking) {
    const lacks = say(format.lacks, { members: `arrays/${lacking.name}.npy` });
    throw refusal(format.unfit, { unfit: lacks });
  }
}

/** Refuses arrays that do not fit the manifest and those that were looked at before. */
export class ArrayCheck {
  private readonly specs: Map<string, ArraySpec>;
  private readonly known: Map<string, number>;

  constructor(manifest: Manifest) {
    this.specs = new Map(specsOf(manifest).map((spec) => [spec.name, spec]));
    this.known = extents(manifest);
  }

  check(name: string, { dtype, shape, data }: NpyArray): void {
    const spec = this.specs.get(name);
    if (!spec) return;
    if (dtype !== DTYPES[spec.dtype] || !this.fits(spec, shape)) {
      const wanted = `${DTYPES[spec.dtype]} [${spec.shape.join(", ")}]`;
      const misfit = { array: name, dtype, shape: `[${shape.join(", ")}]`, wanted };
      throw refusal(format.unfit, { unfit: say(format.misfit, misfit) });
    }
    this.checkValues(name, data, spec);
  }

  private checkValues(name: string, data: NpyArray["data"], spec: ArraySpec): void {
    let [least, below, wanted] = [-Infinity, Infinity, format.numbers];
    const { above = -Infinity } = spec;
    if (spec.below !== undefined) {
      [least, below] = [spec.least ?? 0, this.known.get(spec.below)!];
      wanted = say(format.codes, { least, last: below - 1 });
    } else if (Number.isFinite(above)) {
      wanted = say(format.above, { above });
    }
    const fits = (value: number) => value >= least && value > above && value < below;
    if (data.length && data.every(fits)) return;
    throw refusal(format.bad_values, { array: name, wanted });
  }

  private fits(spec: ArraySpec, shape: readonly number[]): boolean {
    if (shape.length !== spec.shape.length) return false;
    return spec.shape.every((one, axis) => {
      if (typeof one === "string" && !this.known.has(one)) this.known.set(one, shape[axis]);
      return shape[axis] === (typeof one === "string" ? this.known.get(one) : one);
    });
  }
}

function specsOf(manifest: Manifest): ArraySpec[] {
  const canary = [...answersOf(manifest)].map(([name, shape]) => ({
    name: `canary_${name}`,
    dtype: "f4",
    shape: ["canaries", ...shape],
    when: "always",
  }));
  return [...ARRAYS, ...canary];
}

/** Extents that a manifest decides, by name. */
function extents(manifest: Manifest): Map<string, number> {
  const graph = graphOf(manifest);
  return new Map([
    ["genes", manifest.panel.symbols.length],
    ["latent", manifest.n_latent],
    ["labels", manifest.labels.length],
    ["batches", manifest.batches.length],
    ["profiles", Math.max(1, manifest.labels.length)],
    ["clusters", clustersOf(manifest).length],
    ["edges", graph?.edges.length ?? 0],
    ["terminals", graph?.terminals.length ?? 0],
  ]);
}

/** Whether an atlas has what is there `when`; what is optional it need not have. */
function has(manifest: Manifest, when: string): boolean {
  const { head, structure, input, fill } = manifest;
  const there: Record<string, boolean> = {
    always: true,
    prob: givesProb(manifest),
    sigmoids: head.kind === "sigmoids",
    prototypes: head.kind === "prototypes",
    reference: hasReference(manifest),
    structure: structure !== null,
    trajectory: graphOf(manifest) !== null,
    centre: input.centre,
    cap: input.cap,
    factors: fill === "factors",
    query_library: input.library === "query",
    optional: false,
  };
  return there[when];
}
