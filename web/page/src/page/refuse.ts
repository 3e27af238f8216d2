/** What stands where an atlas cannot be shown. */

import { sentence } from "../errors";
import { byId, h } from "./dom";

export function refuse(error: unknown): void {
  byId("atlas-name").textContent = "This atlas cannot be shown";
  const said = h("p", { class: "refused", role: "alert" }, sentence(error));
  byId("intake").replaceChildren(said);
  byId("map").hidden = true;
}

