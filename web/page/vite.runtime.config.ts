/** Builds the package `@cellport/runtime` (`web/runtime`) of the page's own modules. */

import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";

import ts from "typescript";
import type { Plugin } from "vite";
import { defineConfig } from "vite";

const SOURCE = join(import.meta.dirname, "src");
const ENTRY = join(SOURCE, "runtime", "index.ts");
const MENTIONED = /(\bfrom\s*|\bimport\()"(\.[^"]*)"/g;
const LICENSES = { "LICENSE": "../../LICENSE", "LICENSE.fflate": "node_modules/fflate/LICENSE" };

/** Declarations of the public names, and of what these mention. */
function declarations(): Map<string, string> {
  const config = ts.readConfigFile(join(import.meta.dirname, "tsconfig.json"), (path) => ts.sys.readFile(path)).config;
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, import.meta.dirname);
  const how = { ...options, noEmit: false, declaration: true, emitDeclarationOnly: true, outDir: SOURCE };
  const program = ts.createProgram([ENTRY], { ...how, rootDir: "../.." });
  const all = new Map<string, string>();
  program.emit(undefined, (path, text) => all.set(path.slice(path.indexOf("/web/page/src/web/page/src/") + 27), text));
  const found = new Map<string, string>();
  const wanted = ["runtime/index.d.ts"];
  for (let path = wanted.pop(); path !== undefined; path = wanted.pop()) {
    if (found.has(path)) continue;
    const text = all.get(path);
    if (text === undefined) throw new Error(`no declarations of ${path}`);
    // TypeScript for Node wants the endings
    found.set(path, text.replace(MENTIONED, '$1"$2.js"'));
    for (const [, , name] of text.matchAll(MENTIONED)) {
      wanted.push(join(dirname(path), `${name}.d.ts`));
    }
  }
  return found;
}

const types: Plugin = {
  name: "types",
  generateBundle() {
    for (const [fileName, source] of declarations()) this.emitFile({ type: "asset", fileName, source });
    for (const [fileName, path] of Object.entries(LICENSES)) {
      this.emitFile({ type: "asset", fileName, source: readFileSync(path) });
    }
  },
};

export default defineConfig({
  publicDir: false,
  plugins: [types],
  build: {
    target: "es2022",
    outDir: "../runtime/dist",
    // who uses it can read it, and packs their own site
    minify: false,
    emptyOutDir: true,
    lib: { entry: ENTRY, formats: ["es"], fileName: "index" },
    rollupOptions: {
      external: ["h5wasm", "onnxruntime-web/wasm"],
      // the build for browsers or that for Node, as package.json says
      output: { paths: { h5wasm: "#hdf5" } },
    },
  },
});
