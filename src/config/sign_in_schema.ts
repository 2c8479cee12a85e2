/**
 * The setting `signIn`: identity providers, and a reverse proxy that signs people in.
 */
import { z } from "zod";
import { text } from "./validators.ts";

export const signInSchema = z.looseObject({
  oidc: z.looseObject({
    issuer: z.url({ protocol: /^https?$/, error: "must be the issuer's address" }),
    clientId: text("must be a text", 1),
    clientSecret: text("must be a text", 1).optional(),
    name: text("must be a text", 1).default("OpenID Connect").meta({
      description: "What the button says.",
    }),
    scope: text("must be a text", 1).default("openid profile email"),
    domains: z.array(text("must be a domain", 1)).optional().meta({
      description: "Mail domains that may come in.",
    }),
    groupsClaim: text("must be a text", 1).default("groups"),
    groups: z.array(text("must be a group", 1)).optional().meta({
      description: "Groups that may come in.",
    }),
    adminGroups: z.array(text("must be a group", 1)).default([]).meta({
      description: "Groups whose people are admins.",
    }),
    bots: z.record(z.string(), z.array(z.string())).optional().meta({
      description: "Bots and pools by group.",
    }),
    allowHttp: z.boolean().default(false).meta({
      description: "An issuer on plain HTTP: for tests only.",
    }),
  }).optional(),
  lark: z.looseObject({
    appId: text("must be a text", 1),
    appSecret: text("must be a text", 1),
    name: text("must be a text", 1).default("飞书 / Feishu"),
    login: z.url().optional(),
    api: z.url().optional(),
  }).optional(),
  dingtalk: z.looseObject({
    appKey: text("must be a text", 1),
    appSecret: text("must be a text", 1),
    corpId: text("must be a text", 1),
    name: text("must be a text", 1).default("钉钉 / DingTalk"),
    login: z.url().optional(),
    api: z.url().optional(),
  }).optional(),
  wecom: z.looseObject({
    corpId: text("must be a text", 1),
    agentId: text("must be a text", 1),
    secret: text("must be a text", 1),
    name: text("must be a text", 1).default("企业微信 / WeCom"),
    login: z.url().optional(),
    api: z.url().optional(),
  }).optional(),
  proxy: z.looseObject({
    header: text("must be the name of a header", 1).default("x-remote-user"),
    nameHeader: text("must be the name of a header", 1).optional(),
    from: z.array(text("must be an address or a range", 1)).min(1, "must list the proxies"),
  }).optional().meta({
    description: "A reverse proxy that signs people in and names them in a header.",
  }),
}, { error: "must be an object" }).prefault({}).meta({
  description: "Ways to sign in besides name and password.",
});
