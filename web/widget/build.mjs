// Builds the widget into web/dist: guerdon.js, its brotli and gzip copies, and manifest.json, which
// says what a server needs to serve them. Fails when a budget is passed.
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { minify } from "terser";
import { build } from "vite";
import { trimLit } from "./lit.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const dist = process.env.GUERDON_WEB_DIST ?? join(here, "..", "dist");
const { version } = JSON.parse(readFileSync(join(here, "package.json"), "utf8"));
const entry = "src/guerdon.ts";
const mostBytes = 12 * 1024; // in brotli

/** Names of our own that no page, frame or browser sees; terser shortens them. */
const inner = new RegExp(
  `^(${[
    "watchBoard|watchMe|watchPage|onStatus|subscription|listeners|asking|askTimer",
    "opened|received|isOffline|leaving|later|plural|compact|isMember|follow|stateName",
    "strings|parts|ctor|committed|refusedAt|timeOuts|leave|random|online|seenAt",
    "template|drawn|redraw|seenAt|asOf|phase|texts|text|number|tell|client|status|failed|mine|seen",
  ].join("|")})$|^_`,
);

/** Lit's css`…` is text to the minifier: comments and white space go here. */
const squeezeStyles = {
  name: "squeeze-styles",
  enforce: "pre",
  transform(code, id) {
    if (!id.startsWith(here) || !code.includes("css`")) return undefined;
    const squeezed = code.replace(/css`[^`]*`/g, (css) =>
      css
        .replace(/\/\*.*?\*\//gs, "")
        .replace(/\s+/g, " ")
        .replace(/ ?([{};,>]) ?/g, "$1")
        .replace(/: /g, ":")
        .replace(/;}/g, "}")
        .replace(/([ :,(])(-?)0\./g, "$1$2.")
        .replace(/^css` ?/, "`"),
    );
    return { code: squeezed, map: null };
  },
};

/** White space between tags of html`…` and svg`…`; text keeps its single spaces. */
const squeezeTemplates = {
  name: "squeeze-templates",
  enforce: "pre",
  transform(code, id) {
    if (!id.startsWith(here) || !/(html|svg)`/.test(code)) return undefined;
    return { code: code.replace(/\n\s+/g, "\n "), map: null };
  },
};

/**
 * Names of `#private` members, which belong to one class each, again from the shortest on in every
 * class. Terser gives every one of the bundle its own; colours in styles are longer than two.
 */
function shortenPrivates(code) {
  const letters = "tesinrahlocdpufgmvbwxkyzTESINRAHLOCDPUFGMVBWXKYZ_$".split("");
  const starts = /(?=\bclass(?: [\w$]+)?(?: extends [\w$]+)?\{)/;
  const names = /#([\w$]{1,2})(?![\w$])/g;
  return code
    .split(starts)
    .map((part) => {
      const uses = new Map();
      for (const [, name] of part.matchAll(names)) uses.set(name, (uses.get(name) ?? 0) + 1);
      const order = [...uses.keys()].sort((a, b) => uses.get(b) - uses.get(a));
      const short = (index) => letters[index] ?? `${short(index - letters.length)}_`;
      return part.replace(names, (_, name) => `#${short(order.indexOf(name))}`);
    })
    .join("");
}

/** Custom properties that no shop sees; colours of the table and styles alike. */
function shortenProperties(code) {
  const names = new Map();
  return code.replace(/--g-[\w-]+/g, (name) => {
    if (!names.has(name)) names.set(name, `--${names.size.toString(36)}`);
    return names.get(name);
  });
}

/** name and text of every line of a file of texts */
const textsOf = (code) =>
  [...code.matchAll(/(\w+)\]?\s*[:=]\s+("(?:[^"\\]|\\.)*")/g)].map(([, name, text]) => [
    name,
    JSON.parse(text),
  ]);
const english = textsOf(readFileSync(join(here, "src/i18n/en.ts"), "utf8"));
const list = (texts) => `${JSON.stringify(texts.join("~"))}.split("~")`;

/** Texts by number instead of by the English one. */
const numberTexts = {
  name: "number-texts",
  enforce: "pre",
  transform(code, id) {
    if (!id.includes("/src/i18n/")) return undefined;
    if (id.endsWith("en.ts"))
      return english.map(([name], n) => `export const ${name}=${n};`).join("");
    if (id.endsWith("index.ts")) {
      return code.replace(/english[^=]*= \{\}/, `english=${list(english.map(([, text]) => text))}`);
    }
    const known = new Map(textsOf(code));
    const texts = english.map(([name]) => known.get(name));
    if (texts.includes(undefined)) throw new Error(`${id}: a text is missing`);
    return `export const ${id.match(/(\w+)\.ts$/)[1]}=${list(texts)};`;
  },
};

/** Twice: names of properties before oxc minifies, the rest after what oxc cannot know. */
const shorten = async (code, properties) => {
  const compress = { passes: 3, unsafe: true, unsafe_arrows: true, pure_getters: true };
  const mangle = properties ? { properties } : true;
  return (await minify(code, { module: true, ecma: 2020, compress, mangle })).code;
};

const shortenNames = {
  name: "shorten-names",
  async renderChunk(code) {
    return { code: await shorten(code, { regex: inner }), map: null };
  },
};

async function bundle() {
  const result = await build({
    configFile: false,
    root: here,
    logLevel: "warn",
    plugins: [trimLit, numberTexts, squeezeStyles, squeezeTemplates, shortenNames],
    build: {
      write: false,
      reportCompressedSize: false,
      minify: "oxc", // after terser, which alone shortens names of properties
      target: ["es2022", "safari16.4", "firefox115", "chrome111"],
      modulePreload: false,
      rolldownOptions: {
        input: join(here, entry),
        preserveEntrySignatures: false,
        output: { format: "es", codeSplitting: false },
      },
    },
  });
  const chunks = (Array.isArray(result) ? result[0] : result).output;
  if (chunks.length !== 1) throw new Error(`${entry}: ${chunks.length} files instead of one`);
  // What is left of line breaks in templates: between tags nothing, between attributes a space.
  const squeezed = chunks[0].code.replace(/([>}`])\n (?=[<$])/g, "$1").replace(/\n (?=>)/g, "");
  return Buffer.from(
    await shorten(shortenProperties(shortenPrivates(squeezed.replace(/\n /g, " ")))),
  );
}

function compress(code) {
  const params = {
    [constants.BROTLI_PARAM_QUALITY]: 11,
    [constants.BROTLI_PARAM_SIZE_HINT]: code.length,
  };
  return { br: brotliCompressSync(code, { params }), gz: gzipSync(code, { level: 9 }) };
}

const code = await bundle();
const { br, gz } = compress(code);
const isTooLarge = br.length > mostBytes;
const sizes = `${code.length} B, gzip ${gz.length} B, brotli ${br.length} B`;
console.log(`${isTooLarge ? "TOO LARGE" : "ok"}  ${entry}: ${sizes} of ${mostBytes} B`);
if (isTooLarge) process.exit(1);

rmSync(dist, { recursive: true, force: true });
mkdirSync(dist, { recursive: true });
writeFileSync(join(dist, "guerdon.js"), code);
writeFileSync(join(dist, "guerdon.js.br"), br);
writeFileSync(join(dist, "guerdon.js.gz"), gz);
const digest = (kind) => createHash(kind).update(code);
const file = {
  name: "guerdon.js",
  path: `/widget/v${version}/guerdon.js`,
  type: "text/javascript; charset=utf-8",
  integrity: `sha384-${digest("sha384").digest("base64")}`,
  etag: `"${digest("sha256").digest("hex").slice(0, 32)}"`,
  size: code.length,
  br: { name: "guerdon.js.br", size: br.length },
  gz: { name: "guerdon.js.gz", size: gz.length },
};
writeFileSync(
  join(dist, "manifest.json"),
  JSON.stringify({ version, files: [file] }, null, 2) + "\n",
);
console.log(`${dist}/guerdon.js  ${file.integrity}`);
