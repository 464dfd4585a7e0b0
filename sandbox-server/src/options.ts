// The command line and the environment of sandbox-server, checked; `npm start` gives all of them.

import { join } from 'node:path';
import { parseArgs } from 'node:util';
import * as z from 'zod';
import { brokerDefaults, brokerSettings } from './config/broker.ts';
import { ConfigError, readConfig } from './config/file.ts';
import { isNetwork } from './http/client-address.ts';
import { defaultPolicy, type Policy } from './sandboxes/policy.ts';

const MINUTE = 60_000;
const MIB = 1_048_576;

/** A wrong option; the message says which, what it was and what it may be. */
export class OptionError extends Error {
  override name = 'OptionError';
}

const directory = z.string().startsWith('/', 'an absolute path');
const wholeNumber = (least: number) =>
  z.coerce.number('a number').int('a whole number').min(least, `${least} or more`);
const minutes = z.coerce.number('a number of minutes').positive('more than 0');

const schema = z.strictObject({
  config: z.string().describe('configuration file; what is given here or in the environment wins over it'),
  address: z.string().min(1, 'an IP address or localhost').describe('IP address to listen on'),
  port: z.coerce
    .number('a number from 0 to 65535')
    .int('a number from 0 to 65535')
    .min(0, 'a number from 0 to 65535')
    .max(65_535, 'a number from 0 to 65535')
    .describe('port of the site; 0 chooses a free one'),
  'public-url': z
    .string()
    .transform((text) => text.split(',').filter((url) => url !== ''))
    .pipe(z.array(z.url({ protocol: /^https?$/, error: 'addresses such as https://bulkhead.example.org' })))
    .describe('further addresses under which browsers reach the site, separated by commas'),
  'preview-port': z
    .string()
    .regex(/^(auto|off|\d{1,5})$/, 'auto, off or a port')
    .transform((text) => (text === 'auto' ? text : text === 'off' ? null : Number(text)))
    .refine((port) => typeof port !== 'number' || port <= 65_535, 'a port from 0 to 65535')
    .describe(
      'port of previews of what machines serve: auto (the one after the site), off, or a number; 0 is a free one',
    ),
  'preview-url': z
    .string()
    .regex(
      /^(https?:\/\/(\*\.)?[a-z0-9.-]+(:\d{1,5})?)?$/i,
      'a wildcard such as https://*.preview.example.org, or an origin such as https://bulkhead.example.org:8443',
    )
    .describe('address under which browsers that come by public-url reach preview-port'),
  state: directory.describe("the server's own directory"),
  broker: directory.describe("the broker's control socket"),
  site: directory.describe('the built site'),
  linux: directory.describe('the image of the Linux that runs in a tab'),
  labs: directory.describe('the labs, a folder each'),
  'log-level': z.enum(['error', 'warn', 'info', 'debug']).describe('error, warn, info or debug'),
  metrics: z
    .string()
    .regex(/^(off|(.*:)?\d{1,5})$/, 'off, a port, or an address and a port such as 127.0.0.1:7081')
    .transform((text) => (text === 'off' ? null : addressAndPort(text)))
    .refine((at) => at === null || at.port <= 65_535, 'a port from 0 to 65535, where 0 is a free one')
    .describe('where Prometheus scrapes /metrics: off, a port of 127.0.0.1, or an address and a port'),
  idle: minutes.describe('minutes without a key press until a sandbox is ended'),
  longest: minutes.describe('minutes until a sandbox is ended whatever happens'),
  orphan: minutes.describe('minutes without a page or terminal that is connected until a sandbox is ended'),
  sandboxes: wholeNumber(1).describe('sandboxes a learner may have'),
  'sandboxes-per-address': wholeNumber(1).describe('sandboxes that learners behind one address may have'),
  vms: wholeNumber(0).describe('VMs that may run at once'),
  reserve: wholeNumber(0).describe('MiB of memory, and of disk, that are left alone'),
  overcommit: z.coerce
    .number('a number')
    .min(1, '1 or more')
    .describe('how many times the rest of the memory may be promised to machines'),
  waiting: wholeNumber(0).describe('learners who may wait for room'),
  pool: wholeNumber(0).describe('containers of a sort that are kept ready'),
  'pool-vms': wholeNumber(0).describe('VMs of a sort that are kept ready'),
  'trust-proxy': z
    .string()
    .transform((text) => text.split(',').filter((network) => network !== ''))
    .pipe(z.array(z.string().refine(isNetwork, 'addresses or networks such as 127.0.0.1,10.0.0.0/8')))
    .describe('proxies, separated by commas, whose X-Forwarded-For is believed'),
  'stop-on-eof': z.boolean().describe('stop when standard input ends'),
});

export type Options = z.output<typeof schema>;

const defaults: Record<Exclude<keyof Options, 'stop-on-eof'>, string> = {
  config: '',
  address: '127.0.0.1',
  port: '7080',
  'public-url': '',
  'preview-port': 'auto',
  'preview-url': '',
  state: '/var/lib/bulkhead/server',
  broker: '/var/lib/bulkhead/run/control.sock',
  linux: '/var/lib/bulkhead/images/tab',
  site: new URL('../../site/dist', import.meta.url).pathname,
  labs: new URL('../../labs', import.meta.url).pathname,
  'log-level': 'info',
  metrics: 'off',
  idle: String(defaultPolicy.idleMs / MINUTE),
  longest: String(defaultPolicy.longestMs / MINUTE),
  orphan: String(defaultPolicy.orphanMs / MINUTE),
  sandboxes: String(defaultPolicy.sandboxesPerLearner),
  'sandboxes-per-address': String(defaultPolicy.sandboxesPerAddress),
  vms: String(defaultPolicy.vms),
  reserve: String(defaultPolicy.reserveBytes / MIB),
  overcommit: String(defaultPolicy.overcommit),
  waiting: String(defaultPolicy.waiting),
  pool: String(defaultPolicy.pooledContainers),
  'pool-vms': String(defaultPolicy.pooledVms),
  'trust-proxy': '',
};

const { config: _config, broker: _broker, linux: _linux, 'stop-on-eof': _stop, ...inFile } = schema.shape;
/** What a configuration file may say: what the server takes, but for what follows from `state`, and what the broker
 * takes. */
export const fileSettings = { ...inFile, ...brokerSettings };
export const fileDefaults: Record<keyof typeof fileSettings, string> = { ...defaults, ...brokerDefaults };

/** Reads the command line; for what it does not say BULKHEAD_*; then the configuration file. Throws OptionError with a
 * line for each mistake. */
export function parseOptions(args: readonly string[], env: NodeJS.ProcessEnv): Options {
  const given = readArguments(args);
  const variableOf = (name: string) => `BULKHEAD_${name.toUpperCase().replaceAll('-', '_')}`;
  const file = readFile(String(given.config ?? env[variableOf('config')] ?? ''));
  const texts = Object.entries(defaults).map(([name, fallback]) => [
    name,
    given[name] ?? env[variableOf(name)] ?? file[name] ?? fallback,
  ]);
  const wanted = { ...Object.fromEntries(texts), 'stop-on-eof': given['stop-on-eof'] === true };
  const parsed = schema.safeParse(wanted);
  if (parsed.success) return parsed.data;
  const mistakes = new Map<string, string>();
  for (const { path, message } of parsed.error.issues) {
    const name = String(path[0]) as keyof typeof defaults;
    if (!mistakes.has(name))
      mistakes.set(name, `--${name} is ${JSON.stringify(wanted[name])}, but must be: ${message}`);
  }
  throw new OptionError([...mistakes.values()].join('\n'));
}

/** What a configuration file says to the server; nothing if there is none. */
function readFile(path: string): Record<string, string> {
  if (path === '') return {};
  try {
    const { state, ...settings } = readConfig(path, fileSettings);
    if (state === undefined) return settings;
    return {
      ...settings,
      state: join(state, 'server'),
      broker: join(state, 'run/control.sock'),
      linux: join(state, 'images/tab'),
    };
  } catch (error) {
    if (error instanceof ConfigError) throw new OptionError(error.message);
    throw error;
  }
}

/** What the options say about how much may be given, to whom, and for how long. */
export function policyOf(options: Options): Policy {
  return {
    ...defaultPolicy,
    sandboxesPerLearner: options.sandboxes,
    sandboxesPerAddress: options['sandboxes-per-address'],
    idleMs: options.idle * MINUTE,
    orphanMs: options.orphan * MINUTE,
    longestMs: options.longest * MINUTE,
    vms: options.vms,
    reserveBytes: options.reserve * MIB,
    overcommit: options.overcommit,
    waiting: options.waiting,
    pooledContainers: options.pool,
    pooledVms: options['pool-vms'],
  };
}

/** `text`: a port, or an address, a colon and a port; the address of IPv6 in brackets. */
function addressAndPort(text: string): { address: string; port: number } {
  const colon = text.lastIndexOf(':');
  const address = colon < 0 ? '127.0.0.1' : text.slice(0, colon).replace(/^\[(.*)\]$/, '$1');
  return { address, port: Number(text.slice(colon + 1)) };
}

export function helpText(): string {
  const lines = Object.entries(schema.shape).map(([name, field]) => {
    const fallback = defaults[name as keyof typeof defaults];
    return `  --${name.padEnd(22)} ${field.description}${fallback ? ` [${fallback}]` : ''}`;
  });
  return `Usage: node sandbox-server/src/main.ts [options]\n\n${lines.join('\n')}\n`;
}

function readArguments(args: readonly string[]): Record<string, string | boolean | undefined> {
  const options = Object.fromEntries(
    Object.keys(schema.shape).map((name) => [
      name,
      { type: name === 'stop-on-eof' ? ('boolean' as const) : ('string' as const) },
    ]),
  );
  try {
    return { ...parseArgs({ args: [...args], options }).values };
  } catch (error) {
    throw new OptionError(error instanceof Error ? error.message : String(error));
  }
}
