import { defineConfig } from "vitest/config";

// every address is relative: a published site works under any path
export default defineConfig({
  base: "./",
  // in one piece: nothing is fetched once the page is open
  worker: { format: "es", rollupOptions: { output: { inlineDynamicImports: true } } },
  // the decisions and the version of the Python package lie above
  server: { fs: { allow: ["../.."] } },
  build: { target: "es2022", assetsInlineLimit: 0, chunkSizeWarningLimit: 6000 },
  test: {
    include: ["tests/**/*.test.ts"],
    // the build of h5wasm that reads files of the disk
    alias: [{ find: /^h5wasm$/, replacement: "h5wasm/node" }],
    testTimeout: 120_000,
  },
});
