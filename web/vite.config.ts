// Builds the pages into the Python package, where the wheel's build hook picks them up.
import { defineConfig } from "vite";

export default defineConfig({
  base: "./", // relative addresses: the pages work behind a proxy prefix
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    outDir: "../src/chatwright/serving/static",
    emptyOutDir: true,
    target: "es2022",
    assetsInlineLimit: 0, // the content security policy allows files, not inlined scripts or fonts
    modulePreload: { polyfill: false },
    license: { fileName: "licenses.md" }, // of what is bundled: it travels with the wheel
  },
  server: {
    // `npm run dev` beside a running `chatwright serve`
    proxy: Object.fromEntries(
      ["/api", "/v1", "/tokenize", "/detokenize"].map((path) => [path, "http://127.0.0.1:8000"]),
    ),
  },
});
