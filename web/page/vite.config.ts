import { basename } from "node:path";

import { gzip } from "libdeflate";
import type { Plugin } from "vite";
import { defineConfig } from "vitest/config";

const LARGE = 1_000_000;
// libdeflate's last level: a twentieth smaller than zlib's
const SMALLEST = 12;

/** Packs what is large, as any file server sends it then; the page unpacks it (`worker/kit.ts`). */
const packed: Plugin = {
  name: "packed",
  apply: "build",
  enforce: "post",
  generateBundle(_, bundle) {
    const files = Object.values(bundle);
    for (const file of files) {
      if (file.type !== "asset" || file.source.length < LARGE) continue;
      const fileName = `${file.fileName}.gz`;
      const source = gzip(typeof file.source === "string" ? Buffer.from(file.source) : file.source, SMALLEST);
      Reflect.deleteProperty(bundle, file.fileName);
      this.emitFile({ type: "asset", fileName, source });
      for (const chunk of files) {
        if (chunk.type !== "chunk") continue;
        chunk.code = chunk.code.replaceAll(basename(file.fileName), basename(fileName));
      }
    }
  },
};

// every address is relative: a published site works under any path
export default defineConfig({
  base: "./",
  // in one piece: nothing is fetched once the page is open
  worker: { format: "es", rollupOptions: { output: { inlineDynamicImports: true } } },
  // the decisions and the version of the Python package lie above
  plugins: [packed],
  server: { fs: { allow: ["../.."] } },
  build: { target: "es2022", assetsInlineLimit: 0, chunkSizeWarningLimit: 6000 },
  test: {
    include: ["tests/**/*.test.ts"],
    // the build of h5wasm that reads files of the disk
    alias: [{ find: /^h5wasm$/, replacement: "h5wasm/node" }],
    testTimeout: 120_000,
  },
});
