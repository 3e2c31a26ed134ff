// Rules that a type checker does not know: no inline styles, no raw markup, no address of a registry
// in the lock file.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const here = fileURLToPath(new URL(".", import.meta.url));
const faults = [];
const sources = ["shared/src", "widget/src"].flatMap((folder) =>
  readdirSync(join(here, folder), { recursive: true })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => join(folder, name)),
);
const forbidden = [
  [/<[^>]*\sstyle=/, "an inline style violates the shop's policy: set it through CSSOM"],
  [/innerHTML|unsafeHTML|unsafeSVG|styleMap|insertAdjacentHTML/, "names are data, never markup"],
  [/ [.?][\w-]+=\$\{|='[^']*\$\{|<!--/, "widget/lit.mjs leaves such templates out of the bundle"],
];
for (const name of sources) {
  const text = readFileSync(join(here, name), "utf8");
  for (const [pattern, why] of forbidden) if (pattern.test(text)) faults.push(`${name}: ${why}`);
}
const lock = JSON.parse(readFileSync(join(here, "package-lock.json"), "utf8"));
for (const [name, { resolved, link }] of Object.entries(lock.packages)) {
  if (resolved && !link) faults.push(`package-lock.json: ${name} names a registry`);
}
for (const fault of faults) console.error(fault);
process.exit(faults.length ? 1 : 0);
