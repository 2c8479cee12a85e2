// Nexus under PM2: `pm2 start deploy/ecosystem.config.cjs`, then `pm2 save`.
// One process: a second one on the same store is refused, and PM2's cluster mode is Node's alone.
const path = require("node:path");

module.exports = {
  apps: [
    {
      name: "nexus",
      cwd: path.resolve(__dirname, ".."),
      script: "main.ts",
      // Deno from the PATH. Without it: interpreter "npx", interpreter_args "-y deno@2.9.6 run -A --no-prompt".
      interpreter: "deno",
      interpreter_args: "run -A --no-prompt",
      exec_mode: "fork",
      instances: 1,
      autorestart: true,
      // A broken configuration ends with code 1 at once: not worth more than a few tries.
      max_restarts: 5,
      min_uptime: 5000,
      exp_backoff_restart_delay: 500,
      // It finishes running answers (drainTimeout, 30 s by default) before it leaves. PM2 sends SIGINT, which does the same as SIGTERM.
      kill_timeout: 40000,
      // The log has its own times.
      time: false,
      env: { DENO_NO_UPDATE_CHECK: "1" },
    },
  ],
};
