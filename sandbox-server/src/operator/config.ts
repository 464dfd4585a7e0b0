// The operator's commands about the configuration file.
import { userInfo } from 'node:os';
import { brokerDefaults, brokerSettings } from '../config/broker.ts';
import { readConfig } from '../config/file.ts';
import { exampleFile, referencePage } from '../config/reference.ts';
import { fileDefaults, fileSettings } from '../options.ts';

const settings = {
  fields: fileSettings,
  defaults: fileDefaults,
  brokers: Object.keys(brokerSettings),
};

/** Each gives what to print. Throws ConfigError with all mistakes of the file. */
export const configCommands: Record<string, (path: string) => string> = {
  check: (path) => {
    const count = Object.keys(readConfig(path, fileSettings)).length;
    return `${path}: ${count} ${count === 1 ? 'setting' : 'settings'}, no mistake`;
  },
  reference: () => referencePage(settings).trimEnd(),
  example: () => exampleConfig().trimEnd(),
  broker: (path) => brokerOptions(readConfig(path, fileSettings)),
};

/** A configuration file to begin with. */
export function exampleConfig(): string {
  return exampleFile(settings);
}

/** Those that want a file. */
export const wantsFile = new Set(['check', 'broker']);

/** A line for the environment of bulkheadd's unit: its options, with the server's user as the one who may ask it. To be
 * asked as that user. */
function brokerOptions(file: Record<string, string>): string {
  const { uid, gid } = userInfo();
  const names = Object.keys(brokerSettings) as (keyof typeof brokerSettings)[];
  const options = names.map((name) => `--${name} ${file[name] ?? brokerDefaults[name]}`);
  options.push(`--log-level ${file['log-level'] ?? fileDefaults['log-level']}`);
  options.push(`--allow-uid ${uid} --server-gid ${gid}`);
  return `BULKHEAD_BROKER_OPTIONS=${options.join(' ')}`;
}
