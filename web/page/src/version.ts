/** The version of cellport, and of the atlas format it reads: those of the Python package. */

import source from "../../../runtime/version.py?raw";

export const VERSION = stated("__version__");
export const FORMAT_VERSION = Number(stated("FORMAT_VERSION"));

function stated(name: string): string {
  const found = new RegExp(`^${name} = "?([^"\\n]+)"?$`, "m").exec(source);
  if (!found) throw new Error(`runtime/version.py does not state ${name}`);
  return found[1];
}
