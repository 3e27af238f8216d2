/** The page as a whole: what is known, and who is told when it changes. */

import { graphOf, hasReference } from "../atlas/manifest";
import type { Parts } from "../atlas/parts";
import decisions from "../decisions";
import { sentence } from "../errors";
import type { MapOptions } from "../mapping/query";
import { cellsOf } from "../words";
import { type Mapper, Stopped } from "../worker/client";
import type { Finished, Started } from "../worker/messages";
import { atlasFacts, showAbout } from "./card/about";
import { ColourChoice } from "./colour_choice";
import type { Shading } from "./map/colouring";
import { csvParts } from "../writers/csv";
import { byId, h, save } from "./dom";
import { FileResults } from "./file_results";
import { Intake } from "./intake";
import { queryLayer, referenceLayer } from "./map/layers";
import { showLegend } from "./map/legend";
import { MapView } from "./map/map_view";
import { showNotes } from "./notes";
import { type Reference } from "./map/reference";
import { type Selection, showSelection } from "./selection";
import { findingsOf } from "../report/findings";
import { cautions, fit, lead } from "../report/sentences";
import { tiles, typeRows } from "./summary";
import { showTypes } from "./type_table";
import { ThemeSwitch } from "./theme";
import { titleOf } from "./titles";
import { addTools, type Tools } from "./tools";
import { coursesOf, TrajectoryLines } from "./map/trajectory";

const CALL = decisions.columns.call;
// while cells arrive the map is drawn after so many milliseconds and such a share of the cells:
// where graphics are done in software, drawing takes time from mapping
const DRAW_EVERY = 700;
const DRAW_SHARE = 1 / 12;

export class App {
  // each file that is brought is a run of its own; what comes of earlier ones is not heard
  private run = 0;
  private results: FileResults | null = null;
  /** Of the results, once all of them are there. */
  private finished: Finished | null = null;
  private selection: Selection | null = null;
  private chosenCode: number | null = null;
  private began = 0;
  private drawn = 0;
  private drawnCells = 0;
  private readonly theme: ThemeSwitch;
  private readonly map: MapView;
  private readonly lines: TrajectoryLines;
  private readonly tools: Tools;
  private readonly intake: Intake;
  private readonly colour: ColourChoice;

  constructor(
    private readonly parts: Parts,
    private readonly reference: Reference,
    private readonly mapper: Mapper,
    card: string | null,
    example: File | null,
  ) {
    const { manifest } = parts;
    document.title = `${manifest.name} · cellport`;
    byId("atlas-name").textContent = manifest.name;
    byId("atlas-facts").textContent = atlasFacts(manifest);
    showAbout(byId("about"), manifest, card);
    this.theme = new ThemeSwitch(byId<HTMLButtonElement>("theme"), () => this.draw());
    const overlay = document.querySelector<SVGSVGElement>("#overlay")!;
    this.map = new MapView(byId<HTMLCanvasElement>("canvas"), overlay, {
      surrounded: (inside) => this.surround(inside),
      clicked: (x, y, reach) => this.pick(x, y, reach),
      cleared: () => this.choose(null),
      drawn: (place) => this.lines.draw(place),
    });
    this.lines = new TrajectoryLines(overlay);
    this.colour = new ColourChoice(
      byId("map-tools"),
      manifest,
      reference.order,
      mapper,
      () => this.recoloured(),
      (error) => this.say(error instanceof Error ? error.message : sentence(error)),
    );
    this.tools = addTools(byId("map-tools"), byId("zoom"), this.map);
    this.intake = new Intake(byId("intake"), manifest, example, {
      files: (files, options) => void this.mapFiles(files, options),
      refused: (error) => this.stop(sentence(error)),
      stop: () => this.stop(),
      downloadTable: () => void this.downloadTable(null),
      downloadH5ad: () => void this.downloadH5ad(),
    });
    this.intake.showEmpty(null);
    byId("map").hidden = !hasReference(manifest);
    this.showCourses();
    this.map.fit([reference.places]);
    this.draw();
  }

  private async mapFiles(files: File[], options: MapOptions): Promise<void> {
    const main = files.find((file) => /\.mtx(\.gz)?$/i.test(file.name)) ?? files[0];
    const run = ++this.run;
    const current = () => run === this.run;
    this.forget();
    this.draw();
    this.intake.showProgress(main.name);
    this.began = performance.now();
    try {
      const finished = await this.mapper.map(files, options, {
        started: (started) => current() && this.started(main.name, started),
        block: (block, names) => current() && this.block(block, names),
      });
      if (current()) this.mapped(finished);
    } catch (error) {
      if (!current()) return;
      this.forget();
      this.draw();
      this.intake.showEmpty(sentence(error));
    }
  }

  private started(name: string, started: Started): void {
    this.results = new FileResults(name, started);
    this.intake.progress(0, started.nCells, 0);
  }

  private block(...[block, names]: Parameters<FileResults["add"]>): void {
    const { results } = this;
    if (!results) return;
    results.add(block, names);
    const now = performance.now();
    this.intake.progress(results.done, results.nCells, (now - this.began) / 1000);
    const more = results.done - this.drawnCells;
    if (now - this.drawn > DRAW_EVERY && more > DRAW_SHARE * results.nCells) this.draw();
  }

  private mapped(finished: Finished): void {
    const { results } = this;
    if (!results) return;
    if (results.done !== results.nCells) throw new Error("some cells were not mapped");
    this.finished = finished;
    results.settle(finished.columns);
    const { manifest } = this.parts;
    const { started, fileName } = results;
    const { spread, lacks, seconds, novelGroups: groups } = finished;
    const nReference = this.reference.n;
    const findings = findingsOf(results, { ...started, nReference, spread, manifest });
    const rows = typeRows(results, findings);
    const all = tiles(findings, rows, manifest);
    this.intake.showDone(fileName, lead(findings), all, seconds, started.countsFrom);
    const notes = {
      cautions: cautions(findings),
      groups,
      fit: fit(findings),
      noticed: [...started.notes, ...lacks],
    };
    showNotes(byId("notes"), notes, {
      showGroup: (group) => {
        const title = `${cellsOf(group.cells.length)} unlike the atlas`;
        this.choose({ title, cells: group.cells });
        reveal();
      },
      cellsOf: ({ kind }) => this.showerOf(kind),
    });
    showTypes(byId("types"), rows, results.done, results.call, manifest, (row) => {
      this.showWhere(row.name, this.calledAs(row.code));
    });
    this.map.fit([this.reference.places, results.places]);
    this.tools.lasso.disabled = false;
    this.showCourses();
    this.colour.offer(results);
    this.say(`${cellsOf(results.done)} mapped.`, true);
    byId("intake").focus({ preventScroll: true });
  }

  private calledAs(code: number): (cell: number) => boolean {
    const { values } = this.results!.category(this.results!.call)!;
    return (cell) => values[cell] === code;
  }

  private showWhere(name: string, holds: (cell: number) => boolean): void {
    this.choose(this.where(name, holds));
    reveal();
  }

  /** What shows the cells that a caution is of; null where it is of all. */
  private showerOf(kind: string): (() => void) | null {
    const results = this.results!;
    if (kind === "strange") {
      const novel = results.flag(decisions.columns.novel)!;
      return () => this.showWhere("unlike the atlas", (cell) => novel[cell] === 1);
    }
    if (kind === "unlabelled") {
      const { categories } = results.category(results.call)!;
      const { unknown } = decisions.values;
      return () => this.showWhere(unknown, this.calledAs(categories.lastIndexOf(unknown)));
    }
    return null;
  }

  private forget(): void {
    this.results = null;
    this.finished = null;
    this.chosenCode = null;
    this.colour.reset();
    this.select(null);
    this.tools.lasso.disabled = true;
    this.map.drawing = false;
    this.showCourses();
    for (const id of ["types", "notes"]) {
      byId(id).hidden = true;
      byId(id).replaceChildren();
    }
  }

  /** The trajectory as the atlas holds it, else through the cells that were mapped. */
  private showCourses(): void {
    const { results, reference, parts } = this;
    const courses = reference.courses ?? (results ? coursesOf(results, graphOf(parts.manifest)) : []);
    this.lines.show(courses);
    this.tools.trajectory.hidden = !courses.length;
  }

  /** Give up what was brought; `refused` says why, where somebody did not just stop it. */
  private stop(refused: string | null = null): void {
    this.run++;
    this.mapper.stop();
    this.forget();
    this.draw();
    this.intake.showEmpty(refused);
  }

  private draw(): void {
    this.drawn = performance.now();
    const { results, reference } = this;
    this.drawnCells = results?.done ?? 0;
    const { theme } = this.theme;
    const { labels } = this.parts.manifest;
    const { byLabel } = this.colour;
    const shading = this.colour.shading ?? this.arriving();
    const behind = referenceLayer(reference, labels, byLabel, results !== null, this.chosenCode, theme);
    const layers = [behind];
    if (results && shading) layers.push(queryLayer(results, shading, this.chosen(shading), theme));
    this.map.show(layers, backgroundOf(byId("canvas")));
    showLegend(byId("legend"), {
      shading: shading ?? this.referenceShading(),
      theme,
      manifest: this.parts.manifest,
      chosen: this.chosenCode,
      counted: results ? "your cells" : "reference cells",
      choose: (code) => this.chooseCode(code),
    });
  }

  /** While cells arrive they are coloured by their call. */
  private arriving(): Shading | null {
    if (!this.results) return null;
    const call = this.results.category(this.results.call);
    if (!call) return null;
    const codes = call.values.subarray(0, this.results.done);
    const fixed = this.reference.order;
    const { categories } = call;
    return { kind: "category", title: titleOf(CALL), column: CALL, codes, categories, fixed };
  }

  private referenceShading(): Shading | null {
    const { label, order: fixed } = this.reference;
    const { labels } = this.parts.manifest;
    if (!labels.length || this.results) return null;
    const codes = Int32Array.from(label);
    return { kind: "category", title: titleOf(CALL), codes, categories: labels, fixed };
  }

  private chosen(shading: Shading): ((cell: number) => boolean) | null {
    if (this.selection && this.results) {
      const inside = new Uint8Array(this.results.nCells);
      for (const cell of this.selection.cells) inside[cell] = 1;
      return (cell) => inside[cell] === 1;
    }
    if (this.chosenCode === null || shading.kind !== "category") return null;
    return (cell) => shading.codes[cell] === this.chosenCode;
  }

  private chooseCode(code: number | null): void {
    const { shading } = this.colour;
    this.chosenCode = code;
    if (!this.results) return this.draw();
    if (shading?.kind !== "category") return;
    const found =
      code === null
        ? null
        : this.where(shading.categories[code], (cell) => shading.codes[cell] === code);
    this.select(found);
    this.draw();
  }

  private recoloured(): void {
    this.chosenCode = null;
    this.draw();
  }

  private surround(inside: (x: number, y: number) => boolean): void {
    if (!this.results || !this.finished) return;
    const { places } = this.results;
    const found = this.where("", (cell) => inside(places[2 * cell], places[2 * cell + 1]));
    if (found.cells.length) this.choose(found);
    else this.say("None of your cells lies there.");
  }

  private pick(x: number, y: number, reach: number): void {
    if (!this.results || !this.finished) return;
    const { places, done } = this.results;
    let best = -1;
    let least = reach * reach;
    for (let cell = 0; cell < done; cell++) {
      const apart = (places[2 * cell] - x) ** 2 + (places[2 * cell + 1] - y) ** 2;
      if (apart < least) [best, least] = [cell, apart];
    }
    if (best >= 0) this.choose({ title: "", cells: Int32Array.of(best) });
    else this.choose(null);
  }

  private where(name: string, holds: (cell: number) => boolean): Selection {
    const cells: number[] = [];
    for (let cell = 0; cell < this.results!.done; cell++) if (holds(cell)) cells.push(cell);
    const title = `${cellsOf(cells.length)}${name ? `: ${name}` : " selected"}`;
    return { title, cells: Int32Array.from(cells) };
  }

  private choose(selection: Selection | null): void {
    this.chosenCode = null;
    this.select(selection);
    this.draw();
  }

  private select(selection: Selection | null): void {
    this.selection = selection;
    showSelection(byId("selection"), this.parts.manifest, this.results, selection, {
      download: () => void this.downloadTable(selection),
      clear: () => this.choose(null),
      choose: (cell) => this.choose({ title: "", cells: Int32Array.of(cell) }),
    });
    if (selection) this.say(`${selection.title || "One cell"}.`, true);
  }

  private async downloadTable(selection: Selection | null): Promise<void> {
    const { results, finished } = this;
    if (!results || !finished) return;
    const ending = selection ? "selected_cells" : "mapped";
    const parts: string[] = [];
    for (const part of csvParts(results, selection?.cells)) {
      parts.push(part);
      // a million cells take a while, in which the page should go on
      await new Promise((next) => setTimeout(next));
    }
    save(`${results.title}_${ending}.csv`, parts, "text/csv");
  }

  private async downloadH5ad(): Promise<void> {
    const { results, finished } = this;
    if (!results || !finished) return;
    const { names, title } = results;
    const columns = [...results.columns.values()];
    const matrices = [...results.matrices.values()];
    try {
      const bytes = await this.mapper.h5ad(finished, { names, columns, matrices });
      save(`${title}_mapped.h5ad`, [bytes], "application/x-hdf5");
    } catch (error) {
      if (!(error instanceof Stopped)) this.say(sentence(error));
    }
  }

  /** Tell people who listen to the page, and those who look unless `quietly`. */
  private say(text: string, quietly = false): void {
    const live = byId("live");
    live.classList.toggle("hidden", quietly);
    live.textContent = text;
    if (!quietly) setTimeout(() => live.classList.add("hidden"), 6000);
  }
}

/** Where cells were chosen in a list below, bring the map into sight. */
function reveal(): void {
  byId("map").scrollIntoView({ block: "nearest" });
}

function backgroundOf(element: HTMLElement): [number, number, number] {
  const found = /rgba?\((\d+), (\d+), (\d+)/.exec(getComputedStyle(element).backgroundColor);
  return found ? [Number(found[1]), Number(found[2]), Number(found[3])] : [255, 255, 255];
}

export function refuse(error: unknown): void {
  byId("atlas-name").textContent = "This atlas cannot be shown";
  const said = h("p", { class: "refused", role: "alert" }, sentence(error));
  byId("intake").replaceChildren(said);
  byId("map").hidden = true;
}

