/** Own drawings: 20 px grid, 1.5 px stroke, the text's colour. One template draws them all. */
import { html, type TemplateResult } from "lit/html.js";

export const icon = (path: string): TemplateResult =>
  html`<svg
    class="icon"
    viewBox="0 0 20 20"
    fill="none"
    stroke="currentColor"
    stroke-width="1.5"
    stroke-linecap="round"
    stroke-linejoin="round"
    aria-hidden="true"
  >
    <path d=${path}></path>
  </svg>`;

export const pause = "M7.5 5v10M12.5 5v10";
export const play = "M7 5v10l8-5z";
export const up = "M10 16V4M5 9l5-5 5 5";
export const down = "M10 4v12M5 11l5 5 5-5";
export const again = "M4 8a6 6 0 0 1 11-2l2 2M16 12a6 6 0 0 1-11 2l-2-2M17 4v4h-4M3 16v-4h4";
export const offline =
  "M3 3l14 14M3 8a10 10 0 0 1 4-2m4-1a10 10 0 0 1 6 3M6 12a6 6 0 0 1 3-2m-1 5q2-1 4 0";
export const warning = "M10 4l7 12H3zM10 9v3m0 2v.1";
export const leaf = "M4 16Q4 4 16 4q0 12-9 11M4 16q2-5 7-8";
export const eye = "M3 10q7-10 14 0-7 10-14 0M8 10a2 2 0 0 1 4 0 2 2 0 0 1-4 0";
export const clock = "M3 10a7 7 0 0 1 14 0 7 7 0 0 1-14 0M10 6v4l3 2";
export const gift = "M3 7h14v3H3zM4 10v7h12v-7M10 7v10M10 7Q3 5 7 4q2 0 3 3 1-3 3-3 4 1-3 3";

/** Two branches of laurel around a place of the first three. */
export const wreath = (): TemplateResult =>
  html`<svg
    class="wreath"
    viewBox="0 0 34 34"
    fill="none"
    stroke="currentColor"
    stroke-width="4"
    aria-hidden="true"
  >
    <path
      d="M14 30A13.5 13.5 0 0 1 10 6M20 30A13.5 13.5 0 0 0 24 6"
      stroke-dasharray="4 2.2"
    ></path>
  </svg>`;

/** The struck coin: gold is for what was earned. */
export const coin = (): TemplateResult =>
  html`<svg class="icon" viewBox="0 0 20 20" fill="#e9c673" stroke="#7a5504" aria-hidden="true">
    <circle cx="10" cy="10" r="9"></circle>
    <path d="M6 14q0-7 8-8 0 7-7 7"></path>
  </svg>`;
