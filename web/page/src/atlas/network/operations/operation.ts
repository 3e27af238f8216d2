/** What an operation is: its answer, and how a change of that goes back to what it was made of. */

import type { Attribute } from "../graph";
import type { Tensor } from "../tensor";

/** Of weights of the answer's numbers those of each input; null where nothing flows back. */
export type Back = (change: Tensor) => (Tensor | null)[];

export type Given = ReadonlyMap<string, Attribute>;

/** Inputs that are left out are null; the answer is null for what cannot be followed. */
export type Operation = (given: Given, ...inputs: Tensor[]) => [Tensor, Back] | null;

export const nowhere: Back = () => [];

export function numberOf(given: Given, name: string, usual: number): number {
  const value = given.get(name);
  return typeof value === "number" ? value : usual;
}

/** An axis, counted from the end where it is below 0. */
export function axisOf(axis: number, { shape }: Tensor): number {
  const found = axis < 0 ? axis + shape.length : axis;
  if (!(found in shape)) throw new RangeError("there is no such axis");
  return found;
}
