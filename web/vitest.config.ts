import { defineConfig } from "vitest/config";

export default defineConfig({
  test: { include: ["shared/test/**/*.test.ts", "widget/test/**/*.test.ts"], watch: false },
});
