/** The page as a whole: what is known, and who is told when it changes. */

import { hasReference, panelNames } from "../atlas/manifest";
import type { Parts } from "../atlas/parts";
import decisions from "../decisions";
import { sentence } from "../errors";
import { ofAtlas } from "../mapping/columns";
import { DEFAULTS, type MapOptions } from "../mapping/options";
import type { Bundle } from "../mapping/samples";
import { ratioOf } from "../mapping/spread";
import { type Findings, findingsOf } from "../report/findings";
import { type Disagreement, opinionsOf } from "../report/opinions";
import { cautions, fit, lead, unsaid } from "../report/sentences";
import type { Column } from "../sources/source";
import { cellsOf } from "../words";
import { type Mapper, Stopped } from "../worker/client";
import type { Finished, Started } from "../worker/messages";
import { atlasFacts, showAbout } from "./card/about";
import { ColourChoice } from "./colour_choice";
import { shownIn, tell } from "./address";
import { byId, NARROW, reveal } from "./dom";
import { saveH5ad, savePng, saveReport, saveSvg, saveTable } from "./downloads";
import { FileResults, inWords } from "./file_results";
import { Intake } from "./intake";
import { ConditionsSection } from "./conditions/conditions_section";
import { CompareSection } from "./compare/compare_section";
import { GeneSection } from "./genes/gene_section";
import { GroupsSection } from "./groups/groups_section";
import { callEntries, type Entry } from "./map/colouring";
import { Stage } from "./map/stage";
import { type Reference } from "./map/reference";
import { showNotes } from "./notes";
import { showOpinions } from "./opinions/opinions_section";
import type { OtherAtlases } from "./others/other_atlases";
import { cellReasons } from "./reasons/cell_reasons";
import { ReasonsSection } from "./reasons/reasons_section";
import { type Selection, showSelection } from "./selection";
import { tiles, type TypeRow, typeRows } from "./tables/summary";
import { showTypes } from "./tables/type_table";
import { ThemeSwitch } from "./theme";
import { addTools, type Tools } from "./tools";

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
  private readonly stage: Stage;
  private readonly tools: Tools;
  private readonly intake: Intake;
  private readonly colour: ColourChoice;
  private readonly groups: GroupsSection;
  private readonly genes: GeneSection;
  private readonly compared: CompareSection;
  private readonly reasons: ReasonsSection;
  private readonly conditions: ConditionsSection;
  /** Entry of the legend that an address names, until what it is of is shown. */
  private wanted = "";

  constructor(
    private readonly parts: Parts,
    private readonly reference: Reference,
    private readonly mapper: Mapper,
    private readonly others: OtherAtlases,
    card: string | null,
    example: File | null,
  ) {
    const { manifest } = parts;
    document.title = `${manifest.name} · cellport`;
    byId("atlas-name").textContent = manifest.name;
    byId("atlas-facts").textContent = atlasFacts(manifest);
    showAbout(byId("about"), manifest, card);
    this.theme = new ThemeSwitch(byId<HTMLButtonElement>("theme"), () => this.draw());
    this.stage = new Stage(manifest, reference, {
      surrounded: (inside) => this.surround(inside),
      picked: (cell) => this.choose(cell === null ? null : { title: "", cells: Int32Array.of(cell) }),
      cleared: () => this.choose(null),
      codeChosen: (code) => this.chooseCode(code),
      told: (text) => this.say(text, true),
    });
    this.colour = new ColourChoice(
      byId("map-tools"),
      manifest,
      reference.order,
      mapper,
      () => this.recoloured(),
      (gene) => this.genes.add(gene),
      (error) => this.say(error instanceof Error ? error.message : sentence(error)),
    );
    this.genes = new GeneSection(byId("genes-by-type"));
    this.compared = new CompareSection(byId("compared"), panelNames(manifest), {
      compare: (kinds) => mapper.compare(kinds),
      colour: (gene) => this.colour.restore({ colour: "", gene }),
      failed: (error) => this.say(sentence(error)),
    });
    this.reasons = new ReasonsSection(byId("reasons"), {
      reasons: (label) => mapper.typeReasons(this.finished!, label),
      select: (label) => this.showWhere(label, this.holding(decisions.columns.label, label)),
      colour: (gene) => this.colour.restore({ colour: "", gene }),
      failed: (error) => (error instanceof Stopped ? null : sentence(error)),
    });
    this.groups = new GroupsSection(byId("by-group"), manifest, {
      column: (name) => this.columnOf(name),
      select: (name, holds) => this.showWhere(name, holds),
      failed: (error) => this.say(sentence(error)),
      chosen: () => this.tell(),
      marks: () => this.marks(),
    });
    this.conditions = new ConditionsSection(byId("conditions"), {
      column: (name) => this.columnOf(name),
      marks: () => this.marks(),
    });
    this.tools = addTools(byId("map-tools"), byId("zoom"), this.stage, {
      looks: () => this.draw(),
      savePng: () => void this.saving(() => savePng(this.stage, this.title)),
      saveSvg: () => void this.saving(() => saveSvg(this.stage, this.title)),
    });
    this.intake = new Intake(byId("intake"), manifest, example, others.element, {
      files: (bundles, options) => void this.mapFiles(bundles, options),
      refused: (error) => this.stop(sentence(error)),
      stop: () => this.stop(),
      downloadTable: () => void this.saving(() => this.saveTable(null)),
      downloadH5ad: () => void this.saving(() => this.saveH5ad()),
      downloadReport: () => void this.saving(() => this.saveReport()),
    });
    this.intake.showEmpty(null);
    byId("map").hidden = !hasReference(manifest);
    this.draw();
    this.stage.fit();
    this.tools.refresh();
  }

  /** Map files as they are usually mapped. */
  map(bundles: Bundle[]): void {
    void this.mapFiles(bundles, Promise.resolve(DEFAULTS));
  }

  private async mapFiles(bundles: Bundle[], asked: Promise<MapOptions>): Promise<void> {
    const names = bundles.map(({ name }) => name);
    const run = ++this.run;
    const current = () => run === this.run;
    this.forget();
    this.draw();
    this.intake.showProgress(inWords(names));
    this.began = performance.now();
    try {
      const [options, also] = await Promise.all([asked, this.others.ticked()]);
      if (!current()) return;
      const finished = await this.mapper.map(bundles, options, also, {
        started: (started) => current() && this.started(names, started),
        block: (block, names) => current() && this.block(block, names),
      });
      if (current()) await this.mapped(finished, current);
    } catch (error) {
      if (!current()) return;
      this.forget();
      this.draw();
      this.intake.showEmpty(sentence(error));
    }
  }

  private started(names: string[], started: Started): void {
    this.results = new FileResults(names, started);
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

  /** Show what came of a file, in steps between which the page hears who uses it. */
  private async mapped(finished: Finished, current: () => boolean): Promise<void> {
    const { results } = this;
    if (!results) return;
    if (results.done !== results.nCells) throw new Error("some cells were not mapped");
    this.finished = finished;
    results.settle(finished.columns);
    const { manifest } = this.parts;
    const [{ started, fileName }, { seconds }] = [results, finished];
    const { queries } = started;
    const spread = finished.spread && ratioOf(finished.spread);
    const findings = findingsOf(results, { queries, nReference: this.reference.n, spread, manifest });
    const rows = typeRows(results, findings);
    const steps = [
      () => this.offer(results, findings),
      () => this.showTables(results, findings, rows, finished),
      () => {
        const all = tiles(findings, rows, manifest);
        this.intake.showDone(fileName, lead(findings).text, all, seconds, started.queries.map(({ countsFrom }) => countsFrom));
        document.body.classList.add("mapped");
      },
      () => this.stage.fit(),
    ];
    for (const step of steps) {
      await new Promise((next) => setTimeout(next));
      if (!current()) return;
      step();
    }
    this.tools.refresh();
    void this.reasons.offer(results, finished.explained);
    this.say(`${cellsOf(results.done)} mapped.`, true);
    byId("intake").focus({ preventScroll: true });
    // on narrow screens the map comes first, and the button that was pressed was below it
    if (window.innerWidth <= NARROW) window.scrollTo(0, 0);
  }

  /** Offer what there is to choose, as the address tells it. */
  private offer(results: FileResults, { calls }: Findings): void {
    const shown = shownIn(location.hash);
    this.tools.lasso.disabled = false;
    this.groups.offer(results, calls);
    this.genes.offer(results, calls);
    this.compared.offer(results);
    this.conditions.offer(results);
    this.wanted = shown.chosen;
    this.colour.offer(results, shown);
    if (shown.gene) this.colour.restore(shown);
    this.groups.choose(this.groups.offers(shown.groups) ? shown.groups : this.groups.usual);
  }

  private showTables(
    results: FileResults,
    findings: Findings,
    rows: readonly TypeRow[],
    { novelGroups: groups, lacks, asked }: Finished,
  ): void {
    const noticed = [...unsaid(results.started.notes, findings), ...lacks];
    const notes = { cautions: cautions(findings), groups, fit: fit(findings), noticed };
    showNotes(byId("notes"), notes, {
      showGroup: (group) => {
        const title = `${cellsOf(group.cells.length)} unlike the atlas`;
        this.choose({ title, cells: group.cells });
        reveal();
      },
      cellsOf: ({ kind }) => this.showerOf(kind),
    });
    showOpinions(byId("opinions"), asked && opinionsOf(results, asked), {
      select: (one) => this.showWhere(`${one.label} of ${one.atlas}, ${one.joint} together`, this.apart(one)),
    });
    showTypes(byId("types"), {
      rows,
      nCells: results.done,
      call: results.call,
      file: results.title,
      manifest: this.parts.manifest,
      select: ({ name, code }) => {
        if (!this.colour.byCall) return this.showWhere(name, this.calledAs(code));
        this.chooseCode(code);
        reveal();
      },
    });
  }

  private marks(): Entry[] {
    return this.results ? callEntries(this.results, this.reference.order, this.theme.theme) : [];
  }

  private holding(column: string, value: string): (cell: number) => boolean {
    const { values, categories } = this.results!.category(column)!;
    const code = categories.indexOf(value);
    return (cell) => values[cell] === code;
  }

  /** Why a cell has its label, to be asked for; null of an atlas without labels. */
  private why(cell: number): HTMLElement | null {
    const { results, finished, mapper } = this;
    const { labels } = this.parts.manifest;
    const label = results?.category(decisions.columns.label);
    if (!finished || !label || !labels.length) return null;
    return cellReasons(labels, label.categories[label.values[cell]], {
      reasons: (one) => mapper.cellReasons(finished, cell, one),
      colour: (gene) => this.colour.restore({ colour: "", gene }),
    });
  }

  private apart({ atlas, joint, label }: Disagreement): (cell: number) => boolean {
    const together = this.holding(decisions.columns.joint, joint);
    const alone = this.holding(ofAtlas(decisions.columns.label, atlas), label);
    return (cell) => together(cell) && alone(cell);
  }

  private calledAs(code: number): (cell: number) => boolean {
    const { values } = this.results!.category(this.results!.call)!;
    return (cell) => values[cell] === code;
  }

  private showWhere(name: string, holds: (cell: number) => boolean): void {
    this.choose(this.where(name, holds));
    reveal();
  }

  /** A column of the files, or the one that says which of them a cell is from. */
  private async columnOf(name: string): Promise<Column> {
    const origin = name === decisions.columns.query ? this.results?.category(name) : null;
    if (!origin) return this.mapper.column(name);
    return { kind: "category", codes: origin.values, categories: origin.categories };
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
    this.groups.forget();
    this.genes.forget();
    this.compared.forget();
    this.reasons.forget();
    this.conditions.forget();
    this.select(null);
    this.tools.lasso.disabled = true;
    this.stage.map.drawing = false;
    document.body.classList.remove("mapped");
    for (const id of ["types", "notes", "opinions"]) {
      byId(id).hidden = true;
      byId(id).replaceChildren();
    }
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
    const { results, selection, chosenCode: code } = this;
    this.drawnCells = results?.done ?? 0;
    const { shading, byLabel } = this.colour;
    const cells = selection?.cells ?? null;
    const finished = this.finished !== null;
    this.stage.show({ results, finished, shading, byLabel, selection: cells, code }, this.theme.theme);
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
    this.tell();
  }

  private recoloured(): void {
    const { shading } = this.colour;
    const { wanted } = this;
    this.wanted = "";
    this.chosenCode = null;
    const code = shading?.kind === "category" ? shading.categories.indexOf(wanted) : -1;
    if (wanted && code >= 0) return this.chooseCode(code);
    this.draw();
    this.tell();
  }

  /** Keep in the page's address what is shown. */
  private tell(): void {
    const { shading } = this.colour;
    if (!this.results || !this.finished || this.wanted) return;
    const code = this.chosenCode;
    const chosen = code !== null && shading?.kind === "category" ? shading.categories[code] : "";
    tell({ ...this.colour.shown, groups: this.groups.by, chosen });
  }

  private surround(inside: (x: number, y: number) => boolean): void {
    if (!this.results || !this.finished) return;
    const { places } = this.results;
    const found = this.where("", (cell) => inside(places[2 * cell], places[2 * cell + 1]));
    if (found.cells.length) this.choose(found);
    else this.say("None of your cells lies there.");
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
    this.tell();
  }

  private select(selection: Selection | null): void {
    this.selection = selection;
    showSelection(byId("selection"), this.parts.manifest, this.results, selection, {
      download: () => void this.saving(() => this.saveTable(selection)),
      clear: () => this.choose(null),
      choose: (cell) => this.choose({ title: "", cells: Int32Array.of(cell) }),
      compare: (other) => selection && void this.compared.against(selection, other),
      hold: () => {
        this.compared.held = selection;
        this.select(selection);
      },
      held: this.compared.held,
      why: (cell) => this.why(cell),
    });
    if (selection) this.say(`${selection.title || "One cell"}.`, true);
  }

  /** What is shown, in a few words. */
  private get title(): string {
    const { name } = this.parts.manifest;
    return this.results ? `${this.results.title} on ${name}` : name;
  }

  private async saveTable(selection: Selection | null): Promise<void> {
    const { results, finished } = this;
    if (results && finished) await saveTable(results, selection?.cells ?? null);
  }

  private async saveH5ad(): Promise<void> {
    const { results, finished } = this;
    if (results && finished) await saveH5ad(this.mapper, finished, results);
  }

  private async saveReport(): Promise<void> {
    const { results, finished } = this;
    if (results && finished) await saveReport(this.mapper, finished, results);
  }

  /** Save something; a failure is told. */
  private async saving(save: () => Promise<void>): Promise<void> {
    try {
      await save();
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
