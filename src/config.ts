import { settingsOf } from './config/environment.ts';
import { refuseContradictions } from './config/rules.ts';
import type { Config } from './config/settings.ts';

export type { Config } from './config/settings.ts';

/** Reads the whole configuration from the environment; throws one `start-failed` error that names every bad variable. */
export function readConfig(env: NodeJS.ProcessEnv): Config {
  const config = settingsOf(env);
  refuseContradictions(config);
  return config;
}
