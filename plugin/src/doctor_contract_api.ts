/**
 * This is where OpenClaw's doctor learns that the plugin has no state to migrate. It finds the
 * built file by its name (`dist/doctor-contract-api.js`). Without it, a home that once recorded the
 * plugin as "not yet upgraded" keeps that record, and every command warns of it.
 */

/**
 * Migrations of the plugin's own state. It keeps none: everything is in OpenClaw's sessions and
 * configuration.
 */
export const stateMigrations: readonly object[] = [];
