/** The checks of all configured apps. The code of a platform is loaded when its app is checked. */
import type { Probe, Thoroughness } from "../../core/checkup.ts";
import { type FindingReport, resolveSettings } from "../../core/finding.ts";
import type { AppHealth } from "./health.ts";
import type { AppsSettings } from "./apps.ts";
import type { ProbeParts } from "./probe.ts";

export interface AppProbeParts extends ProbeParts {
  readonly env: (name: string) => string | undefined;
  /**
   * Returns the health of an app's connection, where a second one would close it; `elsewhere` where
   * another process has it; `undefined` where none is running.
   */
  readonly live: (platform: string, name: string) => AppHealth | "elsewhere" | undefined;
}

/** One check for each app. */
export function probesOfApps(
  { feishu, dingtalk, wecom }: AppsSettings,
  parts: AppProbeParts,
): Probe[] {
  const probe = <T extends object>(
    platform: string,
    apps: Readonly<Record<string, T>>,
    run: (report: FindingReport, name: string, settings: T, how: Thoroughness) => Promise<void>,
  ): Probe[] =>
    Object.entries(apps).map(([name, app]) => ({
      target: `channels.${platform}.${name}`,
      run: async (report, how) => {
        const plain = resolveSettings(report, app, parts.env);
        if (!plain) return [];
        await run(report, name, plain.settings, how);
        return plain.secrets;
      },
    }));
  return [
    ...probe("feishu", feishu, async (report, name, app, how) => {
      const { probeLark } = await import("../lark/probe.ts");
      await probeLark(report, name, app, parts, how);
    }),
    ...probe("dingtalk", dingtalk, async (report, _name, app, how) => {
      const { probeDingTalk } = await import("../dingtalk/probe.ts");
      await probeDingTalk(report, app, parts, how);
    }),
    ...probe("wecom", wecom, async (report, name, app) => {
      const { probeWecom } = await import("../wecom/probe.ts");
      await probeWecom(report, app, parts, () => parts.live("wecom", name));
    }),
  ];
}
