/** The map as a whole: reference and query, names, paths, what is pointed at and chosen, legend. */

import { graphOf, type Manifest } from "../../atlas/manifest";
import decisions from "../../decisions";
import { byId } from "../dom";
import type { FileResults } from "../file_results";
import { titleOf } from "../titles";
import type { Layer, Place } from "./canvas";
import type { Shading } from "./colouring";
import { queryLayer, referenceLayer } from "./layers";
import { showLegend } from "./legend";
import { MapView } from "./map_view";
import { centres, type Name, Names } from "./names";
import { Nearest } from "./nearest";
import type { Picture } from "./picture";
import type { Rgb, Theme } from "./palette";
import type { Reference } from "./reference";
import { svg } from "./symbol";
import { linesOfCell, linesOfReference, Tip } from "./tip";
import { type Course, coursesOf, TrajectoryLines } from "./trajectory";

const CALL = decisions.columns.call;
// of more kinds than these a map says no names
const NAMED = 60;
const RING = 9;

/** What the map is of. */
export interface Scene {
  results: FileResults | null;
  finished: boolean;
  /** What the query is coloured by; null while its cells arrive, and without a query. */
  shading: Shading | null;
  /** Whether that is the labels that the reference has too. */
  byLabel: boolean;
  /** Chosen cells; null where none are. */
  selection: Int32Array | null;
  /** Chosen entry of the legend. */
  code: number | null;
}

/** How it is to look. */
export interface Look {
  names: boolean;
  reference: boolean;
  trajectory: boolean;
  /** Of a dot, beside the usual. */
  size: number;
}

export interface StageListener {
  surrounded(inside: (x: number, y: number) => boolean): void;
  picked(cell: number | null): void;
  cleared(): void;
  codeChosen(code: number | null): void;
  /** What lies under the cross, for those who do not see it. */
  told(text: string): void;
}

const EMPTY: Scene = {
  results: null,
  finished: false,
  shading: null,
  byLabel: true,
  selection: null,
  code: null,
};

export class Stage {
  readonly map: MapView;
  look: Look = { names: true, reference: true, trajectory: true, size: 1 };
  private scene = EMPTY;
  private theme: Theme = "light";
  private readonly canvas = byId<HTMLCanvasElement>("canvas");
  private readonly lines: TrajectoryLines;
  private readonly names: Names;
  private readonly ring = svg("circle", "ring", { r: RING });
  private readonly tip: Tip;
  private readonly ofReference: Nearest;
  private readonly typeNames: readonly Name[];
  private ofQuery: { results: FileResults; nearest: Nearest } | null = null;
  private drawnThrough: { results: FileResults; courses: Course[] } | null = null;
  private named: { shading: Shading; names: Name[] } | null = null;
  private told = "";

  constructor(
    private readonly manifest: Manifest,
    private readonly reference: Reference,
    private readonly listener: StageListener,
  ) {
    const overlay = document.querySelector<SVGSVGElement>("#overlay")!;
    this.map = new MapView(this.canvas, overlay, {
      surrounded: (inside) => listener.surrounded(inside),
      clicked: (x, y, reach) => this.pick(x, y, reach),
      cleared: () => listener.cleared(),
      pointed: (x, y, reach) => this.point(x, y, reach),
      left: () => this.tip.hide(),
      drawn: (place) => this.drawOver(place),
    });
    this.lines = new TrajectoryLines(overlay);
    this.names = new Names(overlay);
    overlay.append(this.ring);
    this.tip = new Tip(this.canvas.parentElement!);
    this.ofReference = new Nearest(reference.places, reference.n);
    this.typeNames = this.namesOfTypes();
  }

  /** Whether there is a trajectory to show. */
  get hasCourses(): boolean {
    return this.courses.length > 0;
  }

  show(scene: Scene, theme: Theme): void {
    [this.scene, this.theme] = [scene, theme];
    this.lines.show(this.look.trajectory ? this.courses : []);
    // where a path ends in a type its name stands already
    const { ends } = this.lines;
    this.names.show(this.look.names ? this.namesNow().filter(({ text }) => !ends.has(text)) : []);
    this.map.show(this.layers, this.background);
    const shading = this.shading ?? this.referenceShading();
    showLegend(byId("legend"), {
      shading,
      theme,
      manifest: this.manifest,
      chosen: scene.code,
      counted: scene.results ? "your cells" : "reference cells",
      choose: (code) => this.listener.codeChosen(code),
    });
  }

  fit(): void {
    const { results } = this.scene;
    this.map.fit([this.reference.places, ...(results ? [results.places] : [])]);
  }

  get layers(): Layer[] {
    const { scene, reference, theme, manifest, look } = this;
    const { results, byLabel, code } = scene;
    const behind = referenceLayer(reference, manifest.labels, byLabel, results !== null, code, theme);
    const layers = look.reference ? [behind] : [];
    const { shading } = this;
    if (results && shading) layers.push(queryLayer(results, shading, this.chosen(shading), theme));
    return layers.map((layer) => ({ ...layer, size: layer.size * look.size }));
  }

  /** The map as it stands, to be saved. */
  picture(title: string): Picture {
    const { canvas, layers, theme, background } = this;
    this.map.drawWhole();
    const paths = [...document.querySelectorAll("#overlay .course")].map((one) => one.getAttribute("d")!);
    return {
      title,
      width: canvas.clientWidth,
      height: canvas.clientHeight,
      layers,
      place: (x, y) => this.map.onScreen(x, y),
      names: this.names.placed,
      paths,
      ends: this.lines.named,
      shading: this.shading ?? this.referenceShading(),
      theme,
      background,
      ink: getComputedStyle(canvas).color,
      canvas,
    };
  }

  get background(): Rgb {
    const found = /rgba?\((\d+), (\d+), (\d+)/.exec(getComputedStyle(this.canvas).backgroundColor);
    return found ? [Number(found[1]), Number(found[2]), Number(found[3])] : [255, 255, 255];
  }

  /** The trajectory as the atlas holds it, else through the cells that were mapped. */
  private get courses(): readonly Course[] {
    const { results, finished } = this.scene;
    const { courses } = this.reference;
    if (courses || !results || !finished) return courses ?? [];
    if (this.drawnThrough?.results !== results) {
      this.drawnThrough = { results, courses: coursesOf(results, graphOf(this.manifest)) };
    }
    return this.drawnThrough.courses;
  }

  /** While cells arrive they are coloured by their call. */
  get shading(): Shading | null {
    const { results, shading } = this.scene;
    const call = results?.category(results.call);
    if (shading || !results || !call) return shading;
    const { order: fixed } = this.reference;
    const codes = call.values.subarray(0, results.done);
    const { categories } = call;
    return { kind: "category", title: titleOf(CALL), column: CALL, codes, categories, fixed };
  }

  private referenceShading(): Shading | null {
    const { label, order: fixed } = this.reference;
    const { labels } = this.manifest;
    if (!labels.length || this.scene.results) return null;
    const codes = Int32Array.from(label);
    return { kind: "category", title: titleOf(CALL), codes, categories: labels, fixed };
  }

  private chosen(shading: Shading): ((cell: number) => boolean) | null {
    const { selection, results, code } = this.scene;
    // one cell has a ring
    if (selection && selection.length !== 1 && results) {
      const inside = new Uint8Array(results.nCells);
      for (const cell of selection) inside[cell] = 1;
      return (cell) => inside[cell] === 1;
    }
    if (code === null || shading.kind !== "category") return null;
    return (cell) => shading.codes[cell] === code;
  }

  /** Names of the atlas's types, where their reference cells are. */
  private namesOfTypes(): Name[] {
    const { label, places, n } = this.reference;
    const { labels } = this.manifest;
    return centres(n, (cell) => label[cell], places, labels.length).flatMap(({ x, y, cells }, code) =>
      cells ? [{ text: labels[code], x, y, weight: cells, quiet: false }] : [],
    );
  }

  private namesNow(): readonly Name[] {
    const { results, shading, finished, byLabel } = this.scene;
    if (!results || !finished || !shading) return this.typeNames;
    if (this.named?.shading !== shading) {
      const own = shading.kind === "category" && !byLabel && shading.column === undefined;
      this.named = { shading, names: own ? this.namesOf(shading, results) : this.namesOfCalls(results) };
    }
    return this.named.names;
  }

  /** Of the kinds of a column of the query, where its cells are. */
  private namesOf(shading: Shading, results: FileResults): Name[] {
    if (shading.kind !== "category" || shading.categories.length > NAMED) return [];
    const { categories, codes } = shading;
    const found = centres(results.done, (cell) => codes[cell], results.places, categories.length);
    return found.flatMap(({ x, y, cells }, code) =>
      cells && categories[code] ? [{ text: categories[code], x, y, weight: cells, quiet: false }] : [],
    );
  }

  /** Of the atlas's types, those first that cells of the query are called. */
  private namesOfCalls(results: FileResults): Name[] {
    const call = results.category(results.call);
    const cells = new Float64Array(call?.categories.length ?? 0);
    call?.values.forEach((code) => cells[code]++);
    return this.typeNames.map((name) => {
      const found = cells[call?.categories.indexOf(name.text) ?? -1] ?? 0;
      return { ...name, weight: name.weight + found * this.reference.n, quiet: !found };
    });
  }

  private drawOver(place: Place): void {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    this.names.draw(place, { width, height }, this.lines.draw(place));
    const { selection, results } = this.scene;
    const one = selection?.length === 1 && results ? selection[0] : null;
    const [x, y] = one === null ? [-99, -99] : place(results!.places[2 * one], results!.places[2 * one + 1]);
    this.ring.setAttribute("transform", `translate(${x.toFixed(1)} ${y.toFixed(1)})`);
  }

  private nearest(x: number, y: number, reach: number): number {
    const { results, finished } = this.scene;
    if (!results || !finished) return -1;
    if (this.ofQuery?.results !== results) {
      this.ofQuery = { results, nearest: new Nearest(results.places, results.done) };
    }
    return this.ofQuery.nearest.find(x, y, reach);
  }

  private pick(x: number, y: number, reach: number): void {
    if (!this.scene.finished) return;
    const cell = this.nearest(x, y, reach);
    this.listener.picked(cell < 0 ? null : cell);
  }

  private point(x: number, y: number, reach: number): void {
    const cell = this.nearest(x, y, reach);
    const behind = cell < 0 && this.look.reference ? this.ofReference.find(x, y, reach) : -1;
    if (cell < 0 && behind < 0) {
      this.tip.hide();
      this.told = "";
      return;
    }
    const { results } = this.scene;
    const lines =
      cell < 0
        ? linesOfReference(this.reference, behind, this.manifest)
        : linesOfCell(results!, cell, this.shading);
    this.tip.show(lines, this.map.onScreen(x, y));
    const text = lines.join(", ");
    if (document.activeElement === this.canvas && text !== this.told) this.listener.told(text);
    this.told = text;
  }
}
