/** What is shown, in the page's address: it can be sent to who has the same file, and comes back. */

export interface Shown {
  /** Value of the choice of colours; empty for the usual one. */
  colour: string;
  gene: string;
  /** Column that cells are grouped by. */
  groups: string;
  /** Name of the chosen entry of what the map is coloured by. */
  chosen: string;
}

const NAMES = ["colour", "gene", "groups", "chosen"] as const;

export function shownIn(hash: string): Shown {
  const found = new URLSearchParams(hash.replace(/^#/, ""));
  const [colour, gene, groups, chosen] = NAMES.map((name) => found.get(name) ?? "");
  return { colour, gene, groups, chosen };
}

/** The address's end for what is shown, empty where that is the usual. */
export function hashOf(shown: Shown): string {
  const told = new URLSearchParams();
  for (const name of NAMES) if (shown[name]) told.set(name, shown[name]);
  const text = told.toString();
  return text && `#${text}`;
}

export function tell(shown: Shown): void {
  const hash = hashOf(shown);
  // the page of a card keeps its address until something else is shown
  if (hash || hashOf(shownIn(location.hash))) {
    history.replaceState(null, "", `${location.pathname}${location.search}${hash}`);
  }
}
