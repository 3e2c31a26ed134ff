// Lit renders our templates; the parts of it that no template of ours uses stay out of the bundle.
// Starts from Lit's readable source. Every cut must match once or as often as it says, so that
// another version of Lit is looked at before it is taken. lint.mjs keeps our templates inside what
// is left: children, attributes and events, without comments, raw text, `.property` and `?boolean`.

const body = String.raw`[^{}]*(?:\{[^{}]*(?:\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\}[^{}]*)*\}[^{}]*)*`;
const block = (head) => new RegExp(`${head} \\{${body}\\}`, "g");

/** what goes, what comes instead, how often it is there */
const cuts = [
  // Warnings, logs and hooks of the development build.
  [/const DEV_MODE = true;/g, "const DEV_MODE = false;"],
  [/const ENABLE_EXTRA_SECURITY_HOOKS = true;/g, "const ENABLE_EXTRA_SECURITY_HOOKS = false;"],
  [/const ENABLE_SHADYDOM_NOPATCH = true;/g, "const ENABLE_SHADYDOM_NOPATCH = false;"],
  [/\bdebugLogEvent &&\s+debugLogEvent\(\{[^;]*\}\);/g, "", 17],
  [/wrap\(wrap\(this\._\$startNode\)\.parentNode\)/g, "this._$$startNode.parentNode"],
  [/wrap\(([\w.$]+)\)/g, "$1", 9],
  [/\(global\.litHtmlVersions \?\?= \[\]\)\.push\([^)]*\);/g, ""],
  [/let message = 'invalid template strings array';/g, "let message = 'no template';"],
  [/export const noChange = [^;]*;/g, ""],
  [/const polyfillSupport = DEV_MODE[^;]*;/g, ""],
  [/polyfillSupport\?\.\(Template, ChildPart\);/g, ""],
  [/ && value !== noChange/g, "", 2],
  [block(String.raw`if \(v === noChange\)`), ""],
  // Directives, and what tells them that they were taken out of the page.
  [
    /resolveDirective\(this, (value|values\[valueIndex \+ i\]), directiveParent(?:, [0i])?\)/g,
    "$1",
    3,
  ],
  [/(?:\s\/\*\* @internal \*\/)?\s+this\._\$disconnectableChildren = undefined;/g, "", 4],
  [block(String.raw`get _\$isConnected\(\)`), "", 4],
  [/this\.__isConnected = options\?\.isConnected \?\? true;/g, ""],
  [/this\._\$notifyConnectionChanged\?\.\(false, true, from\);/g, ""],
  [block(String.raw`setConnected\(isConnected\)`), ""],
  // Properties that only other code of Lit reads.
  [block(String.raw`get (?:parentNode|startNode|endNode|tagName)\(\)`), "", 5],
  [/this\.type = [A-Z_]+;/g, "", 6],
  // SVG and MathML fragments, templates compiled beforehand.
  [/type === (?:SVG|MATHML)_RESULT/g, "false", 6],
  [/typeof type === 'number'/g, "true"],
  // Comments, raw text and tag names in templates.
  [block(String.raw`if \(match\[COMMENT_START\] === '!--'\)`), "if (false) {}"],
  [block(String.raw`else if \(match\[COMMENT_START\] !== undefined\)`), ""],
  [block(String.raw`if \(rawTextElement\.test\(match\[TAG_NAME\]\)\)`), ""],
  [/else if \(match\[TAG_NAME\] !== undefined\)/g, "else"],
  [block(String.raw`else if \(match\[DYNAMIC_TAG_NAME\] !== undefined\)`), ""],
  [/rawTextEndRegex \?\? textEndRegex/g, "textEndRegex"],
  [block(String.raw`else if \(regex === commentEndRegex \|\| regex === comment2EndRegex\)`), ""],
  [/else \{\s+regex = tagEndRegex;\s+rawTextEndRegex = undefined;\s+\}/g, ""],
  [/regex === tagEndRegex && strings\[i \+ 1\]\.startsWith\('\/>'\) \? ' ' : ''/g, "''"],
  [block(String.raw`if \(rawTextElement\.test\(node\.tagName\)\)`), ""],
  [/else \{\s+let i = -1;[\s\S]*?i \+= marker\.length - 1;\s+\}\s+\}/g, ""],
  // Attributes in single quotes.
  [/match\[QUOTE_CHAR\] === '"'\s+\? doubleQuoteAttrEndRegex\s+: single/g, "double"],
  [/ \|\|\s+regex === singleQuoteAttrEndRegex\)/g, ")"],
  // Other parts than children, attributes and events.
  [block(String.raw`else if \(name\.startsWith\(marker\)\)`), ""],
  [block(String.raw`else if \(templatePart\.type === ELEMENT_PART\)`), ""],
  [/m\[1\] === '\.'\s+\? PropertyPart\s+: m\[1\] === '\?'\s+\? BooleanAttributePart\s+: m/g, "m"],
  [/export const (?:svg|mathml) = tag\(\w+\);/g, "", 2],
  [/const SPACE_CHAR = [^;]*;/g, "const SPACE_CHAR = '\\\\s';"],
  [/const ATTR_VALUE_CHAR = [^;]*;/g, "const ATTR_VALUE_CHAR = '[^\\\\s\"<>]';"],
  [/new RegExp\(`>/g, "RegExp(`>"],
  // Nodes and iterables other than arrays as children.
  [block(String.raw`else if \(value\.nodeType !== undefined\)`), ""],
  [/isIterable\(value\)/g, "isArray(value)"],
  [/if \(node\.hasAttributes\(\)\)/g, ""],
  [/, directiveParent = this, valueIndex, noCommit/g, ", _, valueIndex"],
  [/change && !noCommit/g, "change"],
  // Listeners are methods of the element, the same in every drawing.
  [
    /_\$setValue\(newListener, directiveParent = this\) \{[\s\S]*?this\._\$committedValue = newListener;\s+\}/g,
    `_$$setValue(newListener) {
        if (this._$$committedValue === nothing) this.element.addEventListener(this.name, this);
        this._$$committedValue = newListener;
    }`,
  ],
  [/constructor\([\w, ]+\) \{\s+super\(element,[\s\S]*?surrounding text\.'\);\s+\}\s+\}/g, ""],
  [
    /if \(typeof this\._\$committedValue === 'function'\) \{[^}]*\}\s+else \{[^}]*\}/g,
    "this._$$committedValue.call(this.options.host, event);",
  ],
  [
    /const partOwnerNode = options\?\.renderBefore \?\? container;/g,
    "const partOwnerNode = container;",
  ],
  [/options\?\.renderBefore \?\? null/g, "null"],
  [/\(options\?\.creationScope \?\? d\)/g, "d"],
];

export const trimLit = {
  name: "trim-lit",
  enforce: "pre",
  async resolveId(source, importer) {
    if (source !== "lit/html.js") return undefined;
    const found = await this.resolve("lit-html", importer, { skipSelf: true });
    return found.id.replace(/(?:development\/|node\/)*lit-html\.js$/, "development/lit-html.js");
  },
  transform(code, id) {
    if (!id.endsWith("lit-html/development/lit-html.js")) return undefined;
    let trimmed = code.replace(/^\s*\/\/.*$/gm, "");
    for (const [pattern, instead, times = 1] of cuts) {
      const found = trimmed.match(pattern)?.length ?? 0;
      if (found !== times) throw new Error(`Lit: ${found} times instead of ${times}: ${pattern}`);
      trimmed = trimmed.replace(pattern, instead);
    }
    return { code: trimmed, map: null };
  },
};
