/**
 * Tries a model API once: its address, its key, its model, its price. The list of models is free.
 * Only where the list proves nothing (strangers may read it, it does not name the model, there is
 * none) and the check is a full one, the model is asked for one token.
 */
import { withoutTrailingSlashes } from "../../core/address.ts";
import { readBytes } from "../../core/byte_collector.ts";
import type { Probe, Thoroughness } from "../../core/checkup.ts";
import { type BilingualText, type FindingReport, resolveSettings } from "../../core/finding.ts";
import { parseJson } from "../../core/json.ts";
import { APIS } from "./api_access.ts";
import { isFields } from "./fields.ts";
import { apiErrorOf } from "./api_error.ts";
import type { UpstreamSettings } from "./settings.ts";

export interface ModelProbeParts {
  readonly fetch: typeof fetch;
  readonly env: (name: string) => string | undefined;
}

/** The pages of each vendor's console for keys and for payments. */
const CONSOLES = {
  openai: {
    keys: "https://platform.openai.com/api-keys",
    billing: "https://platform.openai.com/settings/organization/billing",
  },
  anthropic: {
    keys: "https://console.anthropic.com/settings/keys",
    billing: "https://console.anthropic.com/settings/billing",
  },
} as const;

/** Milliseconds for the list, and for one token of a model that may have to be loaded. */
const LISTING = 10_000, ASKING = 20_000;

/** Bytes of an answer that are read. */
const MOST = 4 << 20;

/** A price per million tokens below which it was meant per token or per thousand. */
const LEAST_PRICE = 0.001;

/** Units of a refusal that are looked at. */
const WORDS = 4_000;

/** Models of a list that are named. */
const NAMED = 5;

type Answer = { readonly status: number; readonly text: string } | {
  readonly trouble: "network" | "timeout";
};

/** One check for each model API of the configuration. */
export function probesOfModels(
  bots: Readonly<Record<string, UpstreamSettings>>,
  parts: ModelProbeParts,
): Probe[] {
  return Object.entries(bots).map(([id, settings]) => ({
    target: `bots.${id}`,
    run: async (report, how) => {
      checkPrice(report, settings);
      const plain = resolveSettings(report, settings, parts.env);
      if (!plain) return [];
      await new ModelCheck(report, plain.settings, parts.fetch).run(how);
      return plain.secrets;
    },
  }));
}

function checkPrice(report: FindingReport, { price, budget }: UpstreamSettings): void {
  if (!price) return;
  const todo: BilingualText = {
    en: "write what the vendor's price list says for a million tokens, such as 2.5",
    zh: "填写厂商价目表中每百万 token 的价格，例如 2.5",
  };
  for (const key of ["input", "output"] as const) {
    if (price[key] === 0 || price[key] >= LEAST_PRICE) continue;
    report.wrong(`price.${key}`, {
      en: `${price[key]} per million tokens is too little: it was meant per token or per thousand`,
      zh: `每百万 token ${price[key]} 太低：应是按每个或每千个 token 填写了`,
    }, todo);
  }
  if (price.input > 0 || price.output > 0 || budget.spendPerMonth === undefined) return;
  report.wrong("price", {
    en: "the price is 0, so budget.spendPerMonth is never reached",
    zh: "价格为 0，budget.spendPerMonth 永远不会达到",
  }, todo);
}

class ModelCheck {
  readonly #report: FindingReport;
  readonly #settings: UpstreamSettings;
  readonly #fetch: typeof fetch;
  readonly #base: string;

  constructor(report: FindingReport, settings: UpstreamSettings, go: typeof fetch) {
    this.#report = report;
    this.#settings = settings;
    this.#fetch = go;
    this.#base = withoutTrailingSlashes(settings.baseUrl ?? APIS[settings.type].baseUrl);
  }

  async run(how: Thoroughness): Promise<void> {
    const { model, apiKey } = this.#settings;
    const listed = await this.#list(apiKey);
    if ("trouble" in listed) return this.#unreachable(listed.trouble);
    if (listed.status === 401 || listed.status === 403) return this.#wrongKey(listed.status);
    const { status } = listed;
    if ((status >= 300 && status < 400) || (status === 200 && !isJson(listed.text))) {
      return this.#wrongAddress(status);
    }
    const ids = status === 200 ? modelsIn(listed.text) : undefined;
    if (model === undefined) {
      if (ids?.length) return;
      return this.#report.wrong(
        "model",
        {
          en: "the model API does not list its models, so none is chosen",
          zh: "模型 API 没有列出模型，因此无法选定模型",
        },
        { en: "set `model`; check `baseUrl`", zh: "设置 `model`；检查 `baseUrl`" },
        { said: String(listed.status) },
      );
    }
    const isListed = ids?.some((id) => id === model || id === `${model}:latest`) === true;
    // A list that strangers may read proves no key.
    if (isListed && (apiKey === undefined || !await this.#isPublic())) return;
    if (how === "full") await this.#ask(model, ids, status);
  }

  async #isPublic(): Promise<boolean> {
    const listed = await this.#list(undefined);
    return !("trouble" in listed) && listed.status === 200;
  }

  #list(key: string | undefined): Promise<Answer> {
    const headers = this.#headers(key);
    const query = this.#settings.type === "anthropic" ? "?limit=1000" : "";
    return this.#call(`/models${query}`, { headers }, LISTING);
  }

  #headers(key: string | undefined): Record<string, string> {
    // Where the key stands among the configured headers, a stranger has none of them.
    const own = key === undefined && this.#settings.apiKey !== undefined
      ? {}
      : this.#settings.headers;
    return {
      accept: "application/json",
      ...APIS[this.#settings.type].dialect.headers(key),
      ...own,
    };
  }

  /** Asks for one token, and judges only what is about key, account and model. */
  async #ask(model: string, ids: readonly string[] | undefined, listed: number): Promise<void> {
    const { type, apiKey } = this.#settings;
    const { dialect } = APIS[type];
    const said = [{ role: "user", text: "1", images: [] }] as const;
    const body = dialect.body(
      { messages: said, model, options: { maxTokens: 1 }, stream: false },
      { ...this.#settings, temperature: undefined },
    );
    const headers = { ...this.#headers(apiKey), "content-type": "application/json" };
    const answer = await this.#call(dialect.path, { method: "POST", headers, body }, ASKING);
    if ("trouble" in answer) return this.#unreachable(answer.trouble);
    const { status, text } = answer;
    if (status === 200) {
      // A page, and no model.
      if (!isJson(text)) this.#wrongAddress(status);
      return;
    }
    if (status === 401 || status === 403) return this.#wrongKey(status);
    const { code, detail } = apiErrorOf(status, text);
    if (status === 402 || (status === 429 && code === "bot_misconfigured")) {
      return this.#noMoney(detail);
    }
    const isAboutModel = isJson(text) && /model/i.test(text.slice(0, WORDS));
    if (status === 404 && listed === 404 && !isAboutModel) return this.#wrongAddress(status);
    if (status === 404 || (status === 400 && isAboutModel)) this.#wrongModel(model, ids, detail);
  }

  async #call(path: string, init: RequestInit, ms: number): Promise<Answer> {
    try {
      const signal = AbortSignal.timeout(ms);
      const response = await this.#fetch(this.#base + path, {
        ...init,
        signal,
        redirect: "manual",
      });
      const bytes = await readBytes(response.body, MOST);
      return { status: response.status, text: bytes ? new TextDecoder().decode(bytes) : "" };
    } catch (error) {
      return { trouble: (error as Error).name === "TimeoutError" ? "timeout" : "network" };
    }
  }

  #unreachable(said: "network" | "timeout"): void {
    const { host } = new URL(this.#base);
    this.#report.wrong("baseUrl", {
      en: said === "timeout"
        ? `the model API at ${host} does not answer`
        : `the model API cannot be reached at ${host}`,
      zh: said === "timeout" ? `模型 API（${host}）没有应答` : `无法连接模型 API（${host}）`,
    }, {
      en: "check `baseUrl`, DNS, the firewall, HTTPS_PROXY, and whether the server runs",
      zh: "检查 `baseUrl`、DNS、防火墙、HTTPS_PROXY，以及该服务是否在运行",
    }, { said });
  }

  #wrongAddress(status: number): void {
    this.#report.wrong("baseUrl", {
      en: `there is no model API at ${new URL(this.#base).host}${new URL(this.#base).pathname}`,
      zh: `${new URL(this.#base).host}${new URL(this.#base).pathname} 不是模型 API`,
    }, {
      en: "`baseUrl` goes up to and with /v1, as the vendor's documentation of its API shows it",
      zh: "`baseUrl` 要写到 /v1 为止（含 /v1），以厂商的 API 文档为准",
    }, { said: String(status) });
  }

  #wrongKey(status: number): void {
    const { apiKey, type, baseUrl } = this.#settings;
    const url = baseUrl === undefined ? CONSOLES[type].keys : undefined;
    const what: BilingualText = apiKey === undefined
      ? { en: "the model API wants a key, and none is set", zh: "模型 API 需要密钥，但没有设置" }
      : { en: "the model API refuses the key", zh: "模型 API 拒绝了该密钥" };
    this.#report.wrong("apiKey", what, {
      en: "make a key in the vendor's console (API keys) and set it",
      zh: "在厂商控制台的 API keys 页面创建密钥并填写",
    }, { url, said: String(status) });
  }

  #noMoney(said: string): void {
    const { type, baseUrl } = this.#settings;
    const url = baseUrl === undefined ? CONSOLES[type].billing : undefined;
    this.#report.wrong(
      "apiKey",
      {
        en: "the account of this key has no credit left",
        zh: "该密钥所属账户余额不足",
      },
      { en: "vendor's console → Billing", zh: "厂商控制台 → 账单与充值" },
      { url, said },
    );
  }

  #wrongModel(model: string, ids: readonly string[] = [], said: string): void {
    const some = nearest(model, ids).join(", ");
    this.#report.wrong(
      "model",
      {
        en: `the model API has no model ${model}, or the key may not use it`,
        zh: `模型 API 没有模型 ${model}，或该密钥无权使用`,
      },
      some === ""
        ? {
          en: "look up its name in the vendor's list of models",
          zh: "在厂商的模型列表中查找正确的名称",
        }
        : { en: `choose one that it lists: ${some}`, zh: `选择它列出的模型之一：${some}` },
      { said },
    );
  }
}

/** The ids of a list of models; `undefined`: it is none. */
function modelsIn(text: string): string[] | undefined {
  try {
    const list: unknown = parseJson(text);
    if (!isFields(list) || !Array.isArray(list.data)) return undefined;
    return list.data.flatMap((model) =>
      isFields(model) && typeof model.id === "string" ? [model.id] : []
    );
  } catch {
    return undefined;
  }
}

function isJson(text: string): boolean {
  try {
    return isFields(parseJson(text));
  } catch {
    return false;
  }
}

/** A few models of the list: first those that begin as the wanted one does. */
function nearest(model: string, ids: readonly string[]): string[] {
  const shared = (id: string) => {
    let length = 0;
    while (length < model.length && id[length] === model[length]) length++;
    return length;
  };
  return ids.map((id) => ({ id: id.slice(0, 100), length: shared(id) }))
    .sort((a, b) => b.length - a.length).slice(0, NAMED).map(({ id }) => id);
}
