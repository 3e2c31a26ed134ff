/** Colours of the visual language; every `--guerdon-*` property of the shop comes first. */

const css = String.raw;

/** inner name: light, dark, and the public property that overrides both */
const colours = css`
  --g-surface: #fff #161925 surface;
  --g-sunken: #efefec #11141d;
  --g-text: #171923 #ecedf4 text;
  --g-text-2: #484b5a #b6b9c8 text;
  --g-muted: #666978 #9195a7 text-muted;
  --g-border: #e2e2de #282c3b border;
  --g-accent: #2a3eb8 #5567e8 accent;
  --g-on-accent: #fff #fff on-accent;
  --g-accent-text: #2a3eb8 #a8b4ff accent;
  --g-accent-soft: #eceefb #20264a highlight;
  --g-gold: #b98416 #d9ac4a gold;
  --g-positive: #12683f #6fd39f positive;
  --g-positive-soft: #e3f3e9 #15301f;
  --g-negative: #b1281a #ff9a8b negative;
  --g-warning: #8f4600 #f4b26a;
  --g-silver: #75798a #a3a8b8;
  --g-bronze: #9c5a2d #c98d62;
  --g-hero-1: #2c3fb4 #2b3a9e hero-1;
  --g-hero-2: #141b57 #151a49 hero-2;
`;

/** Declarations of the colours: a plain one for old browsers, then one that follows the theme. */
function declare(value: (light: string, dark: string) => string): string {
  const block = colours.replace(
    /(#\w+) (#\w+) ?([\w-]*)/g,
    (_, light: string, dark: string, open: string) => {
      const own = value(light, dark);
      return open ? `var(--guerdon-${open},${own})` : own;
    },
  );
  return `:host{${block}}`;
}

export const tokens =
  declare((light) => light) +
  `@supports (color:light-dark(#000,#fff)){${declare((light, dark) => `light-dark(${light},${dark})`)}}` +
  css`
    :host {
      color-scheme: var(--guerdon-color-scheme, light dark);
      --g-radius: var(--guerdon-radius, 12px);
      display: block;
      contain: layout style;
      color: var(--g-text);
      font: 400 0.875rem/1.43
        var(--guerdon-font, system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif);
      font-variant-numeric: tabular-nums lining-nums;
      letter-spacing: normal;
      text-align: start;
    }
    :host([theme="light"]) {
      color-scheme: light;
    }
    :host([theme="dark"]) {
      color-scheme: dark;
    }
    :host([hidden]) {
      display: none;
    }
    * {
      box-sizing: border-box;
      margin: 0;
    }
    .hidden {
      position: absolute;
      width: 1px;
      height: 1px;
      overflow: hidden;
      clip-path: inset(50%);
      white-space: nowrap;
    }
    .icon {
      width: 1.143em;
      height: 1.143em;
      flex: none;
      vertical-align: -0.15em;
    }
    button {
      font: inherit;
      color: inherit;
      cursor: pointer;
    }
    :focus-visible {
      outline: 2px solid var(--g-accent-text);
      outline-offset: 2px;
    }
    .primary {
      display: inline-block;
      padding: 8px 16px;
      border: 0;
      border-radius: calc(var(--g-radius) * 0.67);
      background: var(--g-accent);
      color: var(--g-on-accent);
      font-weight: 500;
      text-decoration: none;
    }
    .link {
      padding: 2px 0;
      min-height: 24px;
      border: 0;
      background: none;
      color: var(--g-accent-text);
      font-weight: 500;
      text-decoration: none;
      white-space: nowrap;
    }
    .link:hover {
      text-decoration: underline;
    }
  `;
