/** The entry of the page. */
import { render } from "preact";
import { browserSettings } from "./local_settings.ts";
import { installPwa } from "./pwa.ts";
import { Page } from "./page.ts";
import { MarkdownRenderer } from "./markdown/markdown_view.ts";
import { App } from "./view/app.tsx";
import { AppContext } from "./view/context.ts";

/** Set by the build. */
declare const __STANDALONE__: boolean;
declare const __DEV__: boolean;

const page = new Page({ localSettings: browserSettings(), standalone: __STANDALONE__ });
const markdownRenderer = new MarkdownRenderer();
render(
  <AppContext.Provider value={{ page, markdownRenderer }}>
    <App />
  </AppContext.Provider>,
  document.getElementById("page")!,
);
void page.start();
if (__DEV__) void import("./live_reload.ts").then(({ reloadOnBuild }) => reloadOnBuild());
else if (!__STANDALONE__) installPwa(page);
