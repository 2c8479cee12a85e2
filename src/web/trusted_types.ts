/** The trusted-types policy for worker URLs. It accepts only the workers of this page. */

interface Policy {
  createScriptURL(address: string): unknown;
}

let policy: Policy | undefined;

/**
 * The address of one of our workers, as browsers with trusted types want it. Throws for any other.
 */
export function trustedWorkerUrl(address: string): string {
  const { trustedTypes } = globalThis as {
    trustedTypes?: {
      createPolicy(name: string, rules: { createScriptURL(url: string): string }): Policy;
    };
  };
  if (!trustedTypes) return address;
  policy ??= trustedTypes.createPolicy("nexus", {
    createScriptURL(url) {
      if (!/^\/(?:sw|build\/highlight_worker-[\w-]+)\.js$/.test(url)) {
        throw new TypeError(`Not a worker of this page: ${url}`);
      }
      return url;
    },
  });
  return policy.createScriptURL(address) as string;
}
