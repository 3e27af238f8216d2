/** The card of an atlas, which is Markdown, as elements: headings, paragraphs, lists, tables, code.
 *
 * Text stays text: whatever a card holds becomes no markup, and no link but to http(s).
 */

import { h } from "../dom";

const HEADING = /^(#{1,6})\s+(.*)$/;
const ITEM = /^\s*[-*]\s+(.*)$/;
const RULE = /^\s*\|?(\s*:?-+:?\s*\|)+\s*(:?-+:?)?\s*$/;
const FENCE = /^\s*```/;
const INLINE = /`([^`]+)`|\*\*([^*]+)\*\*|\[([^\]]+)\]\((https?:\/\/[^\s)]+)\)/g;
// below the page's own headings
const LEVELS = ["h3", "h3", "h4", "h4", "h4", "h4"] as const;

export function markdown(text: string): HTMLElement[] {
  const lines = withoutFrontMatter(text.replace(/\r\n?/g, "\n").split("\n"));
  const found: HTMLElement[] = [];
  let below = "";
  let at = 0;
  const take = (while_: (line: string) => boolean): string[] => {
    const begin = at;
    while (at < lines.length && while_(lines[at])) at++;
    return lines.slice(begin, at);
  };
  while (at < lines.length) {
    const heading = HEADING.exec(lines[at]);
    if (!lines[at].trim()) at++;
    else if (heading) {
      found.push(h(LEVELS[heading[1].length - 1], {}, ...inline(heading[2])));
      below = heading[2];
      at++;
    } else if (FENCE.test(lines[at])) {
      at++;
      found.push(h("pre", { tabindex: 0 }, take((line) => !FENCE.test(line)).join("\n")));
      at++;
    } else if (ITEM.test(lines[at])) {
      const items = take((line) => ITEM.test(line)).map((line) => ITEM.exec(line)![1]);
      found.push(h("ul", {}, ...items.map((item) => h("li", {}, ...inline(item)))));
    } else if (RULE.test(lines[at + 1] ?? "") && lines[at].includes("|")) {
      found.push(table(take((line) => line.includes("|")), below));
    } else {
      const paragraph = [lines[at++], ...take((line) => Boolean(line.trim()) && !begins(line))];
      found.push(h("p", {}, ...inline(paragraph.join(" "))));
    }
  }
  return found;
}

function begins(line: string): boolean {
  return HEADING.test(line) || ITEM.test(line) || FENCE.test(line);
}

/** Without what model hubs put above a card, between two lines of dashes. */
function withoutFrontMatter(lines: string[]): string[] {
  const end = lines[0] === "---" ? lines.indexOf("---", 1) : -1;
  return lines.slice(end + 1);
}

function table([head, rule, ...rows]: string[], called: string): HTMLElement {
  const right = cells(rule).map((one) => one.endsWith(":") && !one.startsWith(":"));
  const kind = (at: number) => (right[at] ? "number" : undefined);
  const heads = cells(head).map((one, at) => h("th", { scope: "col", class: kind(at) }, ...inline(one)));
  const lines = rows.map((row) => {
    const [name, ...rest] = cells(row);
    const values = rest.map((one, at) => h("td", { class: kind(at + 1) }, ...inline(one)));
    return h("tr", {}, h("th", { scope: "row" }, ...inline(name)), ...values);
  });
  // a head without a name heads nothing
  const named = heads.map((one) => (one.textContent ? one : h("td", {})));
  const whole = h("table", {}, h("thead", {}, h("tr", {}, ...named)), h("tbody", {}, ...lines));
  return h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": `Table: ${called}` }, whole);
}

function cells(row: string): string[] {
  return row
    .trim()
    .replace(/^\||\|$/g, "")
    .split(/(?<!\\)\|/)
    .map((one) => one.trim().replaceAll("\\|", "|"));
}

function inline(text: string): (Node | string)[] {
  const found: (Node | string)[] = [];
  let end = 0;
  for (const match of text.matchAll(INLINE)) {
    found.push(text.slice(end, match.index));
    const [whole, code, bold, words, href] = match;
    if (code) found.push(h("code", {}, code));
    else if (bold) found.push(h("strong", {}, bold));
    else found.push(h("a", { href, target: "_blank", rel: "noopener noreferrer" }, words));
    end = match.index + whole.length;
  }
  return [...found, text.slice(end)];
}
