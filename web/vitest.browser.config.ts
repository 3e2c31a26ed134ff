import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

// The tests live beside the other tests of the project, the packages they use are here.
const here = (name: string) => fileURLToPath(new URL(name, import.meta.url));

export default defineConfig({
  cacheDir: here("node_modules/.vite"),
  resolve: {
    alias: {
      "playwright-core": here("node_modules/playwright-core/index.mjs"),
      "axe-core": here("node_modules/axe-core/axe.js"),
      ws: here("node_modules/ws/wrapper.mjs"),
      vitest: here("node_modules/vitest/dist/index.js"),
    },
  },
  server: { fs: { strict: false } },
  test: {
    root: here(".."),
    include: ["tests/web/**/*.test.ts"],
    watch: false,
    fileParallelism: false,
    testTimeout: 120_000,
    hookTimeout: 60_000,
  },
});
