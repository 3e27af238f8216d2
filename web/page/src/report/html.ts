/** HTML, a type of its own: text that is put into it is escaped.
 *
 * Same as `runtime/report/markup.py` of the Python package.
 */

import decisions from "../decisions";
import { cut, grouped } from "../words";

const { report, report_heads: headings } = decisions;
const LONGEST_LABEL = 2000;
// may turn round the letters beside them, or hide
const HIDDEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}]/gu;
const ENTITIES: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", "'": "&#39;", '"': "&#34;" };

export type Inside = Html | string | number | readonly Inside[];

export class Html {
  constructor(readonly markup: string) {}

  /** As it is read. */
  get text(): string {
    const letters = new Map(Object.entries(ENTITIES).map(([letter, entity]) => [entity, letter]));
    return this.markup
      .replace(/<[^>]*>/g, "")
      .replace(/&(?:amp|lt|gt|#39|#34);/g, (entity) => letters.get(entity)!);
  }
}

export const NOTHING = new Html("");

/** A template whose values are escaped, unless they are HTML already. */
export function html(literals: TemplateStringsArray, ...values: Inside[]): Html {
  return new Html(literals.map((literal, i) => literal + (i < values.length ? markupOf(values[i]) : "")).join(""));
}

function markupOf(inside: Inside): string {
  if (inside instanceof Html) return inside.markup;
  if (typeof inside === "string") return escaped(inside);
  return typeof inside === "number" ? String(inside) : inside.map(markupOf).join("");
}

function escaped(text: string): string {
  return text.replace(HIDDEN, "\ufffd").replace(/[&<>'"]/g, (letter) => ENTITIES[letter]);
}

export function joined(parts: readonly Inside[], between: string): Html {
  return new Html(parts.map(markupOf).filter((part) => part !== "").join(between));
}

type Sentences = typeof report;
export type Sentence = { [K in keyof Sentences]: Sentences[K] extends string ? K : never }[keyof Sentences];

/** A sentence with its places filled. */
export function filled(sentence: string, places: Record<string, Inside> = {}): Html {
  const pieces = sentence.split(/\{(\w+)\}/);
  return html`${pieces.map((piece, i) => {
    if (i % 2 === 0) return piece;
    if (places[piece] === undefined) throw new Error(`nothing for {${piece}} of '${sentence}'`);
    return places[piece];
  })}`;
}

/** A sentence of the decisions on reports. */
export function said(sentence: Sentence, places: Record<string, Inside> = {}): Html {
  return filled(report[sentence], places);
}

export function heads(table: keyof typeof headings): readonly string[] {
  return headings[table];
}

/** A name that keeps its own direction of writing and breaks best after / and _. */
export function name(text: string): Html {
  const broken = escaped(cut(text)).replaceAll("/", "/<wbr>").replaceAll("_", "_<wbr>");
  return html`<bdi class="name">${new Html(broken)}</bdi>`;
}

/** A few names in words, and how many more there are. */
export function names(texts: readonly string[], most = 3): Html {
  const listed = joined(texts.slice(0, most).map(name), ", ");
  return texts.length <= most ? listed : html`${listed} and ${grouped(texts.length - most)} more`;
}

export const quiet = (text: Inside): Html => html`<span class="quiet">${text}</span>`;
export const strong = (text: Inside): Html => html`<strong>${text}</strong>`;
export const code = (text: string): Html => html`<code>${cut(text)}</code>`;
export const heading = (text: Inside): Html => html`<h3>${text}</h3>`;
/** What is read to those who do not see a drawing. */
export const label = (text: string): string => cut(text, LONGEST_LABEL);

export function section(anchor: string, title: Inside, ...parts: Html[]): Html {
  const body = joined(parts, "\n");
  return html`<section id="${anchor}" aria-labelledby="${anchor}-title">
<h2 id="${anchor}-title">${title}</h2>
${body}
</section>`;
}

export function paragraph(text: Html, kind = ""): Html {
  if (!text.markup) return text;
  return kind ? html`<p class="${kind}">${text}</p>` : html`<p>${text}</p>`;
}

/** The first cell of each row names it; `head` may be empty. */
export function table(
  head: readonly string[],
  rows: readonly (readonly Inside[])[],
  caption: Inside,
  kind: string,
): Html {
  const titles = head.map((title) => html`<th scope="col">${title}</th>`);
  const lines = rows.map(
    ([first, ...rest]) =>
      html`<tr><th scope="row">${first}</th>${rest.map((cell) => html`<td>${cell}</td>`)}</tr>`,
  );
  const top = head.length ? html`<thead><tr>${titles}</tr></thead>` : NOTHING;
  return html`<table class="${kind}"><caption>${caption}</caption>${top}
<tbody>
${joined(lines, "\n")}
</tbody></table>`;
}

/** Something to open, or nothing where there is nothing in it. */
export function details(summary: Inside, body: Html): Html {
  if (!body.markup) return body;
  return html`<details><summary>${summary}</summary>
${body}
</details>`;
}
