/** KaTeX with its styles, loaded with the first formula. */
import katex from "katex";
import { css } from "./katex_css.ts";

// A sheet made by script is under no `style-src`, and it is there before the first formula.
const sheet = new CSSStyleSheet();
sheet.replaceSync(css);
document.adoptedStyleSheets.push(sheet);

export { katex };
