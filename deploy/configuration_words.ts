/**
 * This is what docs/configuration.md says of each setting where the schema says nothing, and what
 * docs/configuration.zh.md says of each. A table of words: one entry a setting, in the order of
 * the page.
 */

export interface SettingWords {
  /** Absent where the schema has a description. */
  readonly en?: string;
  readonly zh: string;
}

/** The chapters of both pages. Every setting of the schema is below one of the keys listed here. */
export const CHAPTERS: readonly {
  readonly en: string;
  readonly zh: string;
  readonly keys: readonly string[];
}[] = [
  { en: "Address and TLS", zh: "地址与 TLS", keys: ["host", "port", "publicUrl", "tls", "hsts"] },
  {
    en: "People",
    zh: "用户",
    keys: ["users", "limits", "sessionTTL", "sessionMaxAge", "keyMaxDays", "signIn"],
  },
  {
    en: "Bots",
    zh: "机器人",
    keys: [
      "botToken",
      "requireTokenAtUpgrade",
      "pingInterval",
      "botTimeout",
      "resumeGrace",
      "replyTimeout",
      "queue",
      "bots",
      "demo",
    ],
  },
  { en: "Company apps", zh: "企业应用", keys: ["channels"] },
  { en: "Storage", zh: "存储", keys: ["store", "retentionDays"] },
  {
    en: "Requests from outside",
    zh: "外部请求",
    keys: ["maxBody", "allowedOrigins", "trustProxy", "allowPrivateImages"],
  },
  {
    en: "Operation",
    zh: "运行",
    keys: ["drainTimeout", "log", "metricsToken", "publicBots"],
  },
];

/** Settings whose parts other pages describe. */
export const ELSEWHERE: Readonly<Record<string, string>> = {
  bots: "openai.md#model-apis-as-bots",
  channels: "platforms",
  "users.<name>.limits": "",
};

export const WORDS: Readonly<Record<string, SettingWords>> = {
  "host": { zh: "监听的地址。" },
  "port": { zh: "监听的端口；0 表示任选一个空闲端口。环境变量 `PORT` 优先。" },
  "publicUrl": { zh: "用户访问网关的地址；登录服务会把浏览器送回这里。默认取自请求。" },
  "tls": {
    zh:
      "用这两个 PEM 文件直接提供 TLS（放在 config.json 旁，或用绝对路径）；文件变化后自动重新读取。",
  },
  "tls.cert": { en: "The certificate, with its chain.", zh: "证书（含证书链）。" },
  "tls.key": { en: "The private key.", zh: "私钥。" },
  "hsts": { zh: "Strict-Transport-Security：浏览器在多少秒内只用 TLS。0 表示不发送。" },
  "users": { zh: "可以登录的人，以用户名为键。" },
  "users.<name>.password": {
    zh: "密码，或它的哈希 `$argon2id$…`（用 `nexus hash` 生成）。明文会触发警告。",
  },
  "users.<name>.displayName": { zh: "其他人和机器人看到的名称。" },
  "users.<name>.role": {
    zh: "`admin` 可以查看和修改一切。默认：名为 `admin` 的用户是 admin，其余是 member。",
  },
  "users.<name>.bots": { zh: "此人可用的机器人和机器人池。默认全部。" },
  "users.<name>.limits": { zh: "此人的限额；未写的项沿用 `limits`。" },
  "limits": { zh: "每个人的限额。未设置的项没有上限（事件流除外）。" },
  "limits.messagesPerMinute": { en: "Messages in any minute.", zh: "任意一分钟内的消息数。" },
  "limits.messagesPerDay": { en: "Messages of a day (UTC).", zh: "每天（UTC）的消息数。" },
  "limits.turnsAtOnce": {
    en: "Messages that are being answered at the same time.",
    zh: "同时在回答中的消息数。",
  },
  "limits.imageBytesPerDay": {
    en: "Bytes of images of a day (UTC).",
    zh: "每天（UTC）的图片字节数。",
  },
  "limits.streamsAtOnce": { zh: "同时打开的事件流数。默认 10000。" },
  "limits.conversations": { zh: "保存的对话数。" },
  "sessionTTL": { zh: "登录在最后一次使用之后还有效多久（毫秒）。" },
  "sessionMaxAge": {
    zh: "一次登录最长有效多久（毫秒），不论是否一直在用。默认 30 天；`sessionTTL` 更长时与之相同。",
  },
  "keyMaxDays": {
    zh:
      "每个 API 密钥自创建起最多有效的天数；原定更晚到期或没有期限的密钥同样受限。默认由密钥的主人决定。",
  },
  "signIn": { zh: "用户名和密码以外的登录方式。" },
  "signIn.oidc": { en: "OpenID Connect.", zh: "OpenID Connect。" },
  "signIn.oidc.issuer": { en: "The issuer's address.", zh: "签发者（issuer）的地址。" },
  "signIn.oidc.clientId": {
    en: "The client's id at the issuer.",
    zh: "在签发者处登记的客户端 ID。",
  },
  "signIn.oidc.clientSecret": {
    en: "The client's secret; `env:NAME` reads it from the environment.",
    zh: "客户端密钥；`env:NAME` 表示从环境变量读取。",
  },
  "signIn.oidc.name": { zh: "登录按钮上的文字。" },
  "signIn.oidc.scope": { en: "The scopes that are requested.", zh: "请求的 scope。" },
  "signIn.oidc.domains": { zh: "允许登录的邮箱域名。" },
  "signIn.oidc.groupsClaim": {
    en: "The claim that lists a person's groups.",
    zh: "列出用户所在组的 claim。",
  },
  "signIn.oidc.groups": { zh: "允许登录的组。" },
  "signIn.oidc.adminGroups": { zh: "成员为管理员的组。" },
  "signIn.oidc.bots": { zh: "各组可用的机器人和机器人池。" },
  "signIn.oidc.allowHttp": { zh: "允许使用明文 HTTP 的签发者；仅供测试。" },
  "signIn.lark": { en: "Feishu or Lark.", zh: "飞书或 Lark。" },
  "signIn.lark.appId": { en: "The app's id, `cli_…`.", zh: "应用的 App ID，`cli_…`。" },
  "signIn.lark.appSecret": {
    en: "The app's secret; `env:NAME` reads it from the environment.",
    zh: "应用的 App Secret；`env:NAME` 表示从环境变量读取。",
  },
  "signIn.lark.name": { en: "The text of the button.", zh: "登录按钮上的文字。" },
  "signIn.lark.login": {
    en: "The address of the sign-in page, where it is not the platform's own.",
    zh: "登录页的地址；使用平台自己的登录页时无需填写。",
  },
  "signIn.lark.api": {
    en: "The address of the platform's API, where it is not the default.",
    zh: "平台 API 的地址；与默认不同时填写。",
  },
  "signIn.dingtalk": { en: "DingTalk.", zh: "钉钉。" },
  "signIn.dingtalk.appKey": {
    en: "The app's key (Client ID).",
    zh: "应用的 AppKey（Client ID）。",
  },
  "signIn.dingtalk.appSecret": {
    en: "The app's secret; `env:NAME` reads it from the environment.",
    zh: "应用的 AppSecret（Client Secret）；`env:NAME` 表示从环境变量读取。",
  },
  "signIn.dingtalk.corpId": {
    en: "The company; people of other companies are rejected.",
    zh: "企业的 CorpId；其他企业的人不能登录。",
  },
  "signIn.dingtalk.name": { en: "The text of the button.", zh: "登录按钮上的文字。" },
  "signIn.dingtalk.login": {
    en: "The address of the sign-in page, where it is not the platform's own.",
    zh: "登录页的地址；使用平台自己的登录页时无需填写。",
  },
  "signIn.dingtalk.api": {
    en: "The address of the platform's API, where it is not the default.",
    zh: "平台 API 的地址；与默认不同时填写。",
  },
  "signIn.wecom": { en: "WeCom.", zh: "企业微信。" },
  "signIn.wecom.corpId": { en: "The company's id.", zh: "企业 ID。" },
  "signIn.wecom.agentId": { en: "The app's AgentId.", zh: "应用的 AgentId。" },
  "signIn.wecom.secret": {
    en: "The app's secret; `env:NAME` reads it from the environment.",
    zh: "应用的 Secret；`env:NAME` 表示从环境变量读取。",
  },
  "signIn.wecom.name": { en: "The text of the button.", zh: "登录按钮上的文字。" },
  "signIn.wecom.login": {
    en: "The address of the sign-in page, where it is not the platform's own.",
    zh: "登录页的地址；使用平台自己的登录页时无需填写。",
  },
  "signIn.wecom.api": {
    en: "The address of the platform's API, where it is not the default.",
    zh: "平台 API 的地址；与默认不同时填写。",
  },
  "signIn.proxy": { zh: "由反向代理完成登录，并在请求头里给出用户名。" },
  "signIn.proxy.header": { en: "The header with the user's name.", zh: "给出用户名的请求头。" },
  "signIn.proxy.nameHeader": {
    en: "The header with the display name.",
    zh: "给出显示名称的请求头。",
  },
  "signIn.proxy.from": {
    en: "Addresses and ranges of the proxies whose header is trusted.",
    zh: "信任哪些代理的请求头：地址和网段。",
  },
  "botToken": {
    zh:
      "机器人注册用的令牌，明文或 `sha256:<hex>`；更换期间可写成列表，其中每个都有效。为空则任何机器人都能接入。",
  },
  "requireTokenAtUpgrade": {
    zh:
      "机器人建立连接时就必须出示令牌（Authorization 请求头，或子协议 `nexus.token.<token>`）；否则不读取任何数据就拒绝。",
  },
  "pingInterval": { zh: "向机器人发送心跳的间隔（毫秒）。" },
  "botTimeout": { zh: "机器人沉默多久算离线（毫秒）。" },
  "resumeGrace": { zh: "第 2 版机器人断线后，它未完成的回答保留多久（毫秒）。" },
  "replyTimeout": { zh: "机器人沉默多久后结束该轮回答（毫秒）。" },
  "queue": { zh: "所有机器人都忙时，消息等待的队列。" },
  "queue.total": { zh: "最多等待的消息数。" },
  "queue.perPerson": { zh: "同一个人最多等待的消息数。" },
  "queue.timeout": { zh: "一条消息最长等待多久（毫秒）。" },
  "bots": { zh: "作为机器人的模型 API，以机器人 ID 为键。" },
  "demo": {
    zh: "在第一个真正的机器人接入之前，是否由演示机器人回答。首次启动生成的文件里为 `true`。",
  },
  "channels": {
    zh: "企业在聊天平台上的应用：`feishu`、`dingtalk`、`wecom`，各自可有多个，名称自定。",
  },
  "store": { zh: "登录、用户和历史的存放处：config.json 旁的文件，或 `memory:`（不写入磁盘）。" },
  "retentionDays": {
    zh: "早于此天数的回答会被删除，空的对话一并删除；置顶的对话保留。默认不删除。",
  },
  "maxBody": { zh: "一个 HTTP 请求正文的最大字节数；默认值相当于 20 MiB 的图片（base64）。" },
  "allowedOrigins": { zh: "允许使用本网关的其他网页来源（CORS，以及浏览器的 WebSocket）。" },
  "trustProxy": { zh: "信任哪些反向代理的 X-Forwarded-For 和 X-Forwarded-Proto。" },
  "allowPrivateImages": { zh: "OpenAI 客户端以地址给出的图片，是否可以从内网获取。" },
  "drainTimeout": { zh: "收到停止信号后，最多等回答完成多久（毫秒）。" },
  "log": { en: "The log, on standard output.", zh: "日志，写到标准输出。" },
  "log.level": { en: "The lowest level that is logged.", zh: "记录的最低级别。" },
  "log.format": { zh: "`auto`：在终端上以易读的格式显示，否则每行一个 JSON 对象。" },
  "metricsToken": {
    zh: "设置后，`/metrics` 需要 `Authorization: Bearer <token>`，或由已登录的管理员访问。",
  },
  "publicBots": {
    zh:
      "是否在 `/health` 和 `/metrics` 里向任何人显示机器人和应用的名称；OpenClaw Nexus 1.x 的 `/health` 会显示。",
  },
};
