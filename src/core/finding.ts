/**
 * A finding is a result of checking a connection to an outside service: what is wrong, which
 * setting it concerns, and what to do. It addresses the person who set the service up and holds no
 * secret.
 */
import type { Json } from "./store.ts";

/** The same text in every language that operators read. */
export interface BilingualText {
  readonly en: string;
  readonly zh: string;
}

export interface Finding {
  /** The setting, such as `channels.feishu.main.appSecret`. */
  readonly path: string;
  /**
   * `error`: it does not work as it is set up. `hint`: it could not be checked, so a person has to
   * look.
   */
  readonly level: "error" | "hint";
  readonly what: BilingualText;
  /** What to do, with the page of the vendor's console. */
  readonly todo: BilingualText;
  /** That page's address, where it is stable. */
  readonly url?: string;
  /** The code or the text of the service itself. */
  readonly said?: string;
}

/** Optional fields of a finding. */
export interface FindingDetails {
  readonly url?: string;
  readonly said?: string;
}

/** The findings about one target: an app, a model API, a way to sign in. */
export class FindingReport {
  readonly found: Finding[] = [];

  /** @param target its place in the configuration, such as `channels.feishu.main` */
  constructor(readonly target: string) {}

  /** @param key the setting below the target; empty: the target itself */
  wrong(key: string, what: BilingualText, todo: BilingualText, details: FindingDetails = {}): void {
    this.#add("error", key, what, todo, details);
  }

  hint(key: string, what: BilingualText, todo: BilingualText, details: FindingDetails = {}): void {
    this.#add("hint", key, what, todo, details);
  }

  #add(
    level: Finding["level"],
    key: string,
    what: BilingualText,
    todo: BilingualText,
    details: FindingDetails,
  ): void {
    this.found.push({
      path: key === "" ? this.target : `${this.target}.${key}`,
      level,
      what,
      todo,
      ...details,
    });
  }
}

/** Settings whose values are never shown. */
const SECRET = /secret|token$|(aes|api|encrypt)key$|password/i;

/** The least length of a value that is hidden: replacing shorter ones would damage other words. */
const MIN_SECRET_LENGTH = 4;

/** The settings of a target with `env:NAME` replaced by values, and the secrets among them. */
export interface ResolvedSettings<T> {
  readonly settings: T;
  readonly secrets: readonly string[];
}

/**
 * Replaces `env:NAME` by values. A variable that is not set becomes a finding, and then nothing is
 * returned.
 *
 * @param env the value of `NAME`
 */
export function resolveSettings<T extends object>(
  report: FindingReport,
  settings: T,
  env: (name: string) => string | undefined,
): ResolvedSettings<T> | undefined {
  const secrets: string[] = [];
  let isWhole = true;
  const fill = (fields: Json, under: string): Json => {
    const plain: Json = { ...fields };
    for (const [key, value] of Object.entries(plain)) {
      if (key === "headers" && typeof value === "object" && value !== null) {
        plain[key] = fill(value, `${key}.`);
      }
      if (typeof value !== "string") continue;
      const name = value.startsWith("env:") ? value.slice("env:".length) : undefined;
      const text = name === undefined ? value : env(name);
      if (text === undefined || text === "") {
        isWhole = false;
        report.wrong(under + key, {
          en: `the environment variable ${name} is not set`,
          zh: `环境变量 ${name} 没有设置`,
        }, {
          en: "set it where the gateway is started (systemd unit, container, shell)",
          zh: "在启动网关的地方（systemd、容器或 shell）设置它",
        });
        continue;
      }
      plain[key] = text;
      if (
        (name !== undefined || under !== "" || SECRET.test(key)) && text.length >= MIN_SECRET_LENGTH
      ) {
        secrets.push(text);
      }
    }
    return plain;
  };
  const plain = fill(settings, "");
  return isWhole ? { settings: plain as T, secrets } : undefined;
}

/** The findings without the secrets that a service may have quoted. */
export function withoutSecrets(
  findings: readonly Finding[],
  secrets: readonly string[],
): Finding[] {
  const clean = (text: string) =>
    secrets.reduce((rest, secret) => rest.replaceAll(secret, "…"), text);
  const cleanWords = ({ en, zh }: BilingualText) => ({ en: clean(en), zh: clean(zh) });
  return findings.map((one) => ({
    ...one,
    what: cleanWords(one.what),
    todo: cleanWords(one.todo),
    ...(one.said === undefined ? {} : { said: clean(one.said).slice(0, 300) }),
  }));
}
