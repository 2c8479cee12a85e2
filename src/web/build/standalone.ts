/** The page as one HTML file that can be hosted anywhere. */

/** Puts script, styles and icon into one page, with a policy that allows only these. */
export async function standalonePage(script: string, css: string, icon: string): Promise<string> {
  const code = script.replaceAll("</script", "<\\/script");
  const hash = async (text: string) =>
    `'sha256-${
      new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)))
        .toBase64()
    }'`;
  const policy = [
    "default-src 'none'",
    `script-src ${await hash(code)}`,
    `style-src ${await hash(css)}`,
    "img-src data: blob:",
    "font-src data:",
    "connect-src http: https:",
    "base-uri 'none'",
    "form-action 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types dompurify nexus",
  ].join("; ");
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1, viewport-fit=cover, interactive-widget=resizes-content">
<meta name="referrer" content="no-referrer">
<title>Nexus</title>
<link rel="icon" href="data:image/svg+xml,${encodeURIComponent(icon)}">
<style>${css}</style>
</head>
<body>
<div id="page"></div>
<script>${code}</script>
</body>
</html>
`;
}
