/** This is where the page begins. */
import { render } from "preact";
import { browserKeep } from "./keep.ts";
import { install } from "./install.ts";
import { Page } from "./page.ts";
import { Press } from "./prose.ts";
import { App } from "./view/app.tsx";
import { PageContext } from "./view/context.ts";

/** Set by the build. */
declare const __STANDALONE__: boolean;

const page = new Page({ keep: browserKeep(), standalone: __STANDALONE__ });
const press = new Press();
render(
  <PageContext.Provider value={{ page, press }}>
    <App />
  </PageContext.Provider>,
  document.getElementById("page")!,
);
void page.start();
if (!__STANDALONE__) install(page);
