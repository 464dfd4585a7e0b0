// The options of `npm start`: one table gives parsing, environment variables, validation and the help text.
import { ConfigError, readConfig } from '../sandbox-server/src/config/file.ts';
import { fileSettings } from '../sandbox-server/src/options.ts';
import { PlainError } from './progress.ts';

type OptionSpec = {
  readonly name: string;
  readonly value: string;
  readonly env: string;
  readonly fallback: string;
  readonly help: string;
  /** Returns what would be valid, for the message, or undefined when `text` is. */
  readonly problem: (text: string) => string | undefined;
};

const oneOf =
  (...valid: string[]) =>
  (text: string): string | undefined =>
    valid.includes(text) ? undefined : `one of ${valid.join(', ')}`;

const isPort = (text: string): string | undefined =>
  /^\d{1,5}$/.test(text) && Number(text) >= 1 && Number(text) <= 65_535
    ? undefined
    : 'a number from 1 to 65535';

const isAddress = (text: string): string | undefined =>
  /^(\d{1,3}(\.\d{1,3}){3}|[0-9a-f:]*:[0-9a-f:]*|localhost)$/i.test(text)
    ? undefined
    : 'an IP address of this machine, such as 127.0.0.1 (only this machine) or 0.0.0.0 (everyone who can reach it)';

const isAbsolutePath = (text: string): string | undefined =>
  text.startsWith('/') && text.length <= 39 && !/\s/.test(text)
    ? undefined
    : 'an absolute path of at most 39 characters (its sockets need the rest of 107) without spaces';

const isMachines = (text: string): string | undefined =>
  /^\d{1,4}$/.test(text) && Number(text) <= 4095 ? undefined : 'a number from 0 to 4095';

const isOrigins = (text: string): string | undefined =>
  text === '' || text.split(',').every((one) => /^https?:\/\/[^/\s]+$/.test(one))
    ? undefined
    : 'addresses such as https://bulkhead.example.org, separated by commas';

export const OPTIONS = [
  {
    name: 'port',
    value: 'N',
    env: 'BULKHEAD_PORT',
    fallback: '7080',
    problem: isPort,
    help: 'port of the site',
  },
  {
    name: 'address',
    value: 'IP',
    env: 'BULKHEAD_ADDRESS',
    fallback: '127.0.0.1',
    problem: isAddress,
    help: 'address to listen on; 0.0.0.0 opens it to the network',
  },
  {
    name: 'public-url',
    value: 'URL,…',
    env: 'BULKHEAD_PUBLIC_URL',
    fallback: '',
    problem: isOrigins,
    help: 'further addresses under which browsers reach the site (a proxy, a host name)',
  },
  {
    name: 'state',
    value: 'DIR',
    env: 'BULKHEAD_STATE',
    fallback: '/var/lib/bulkhead',
    problem: isAbsolutePath,
    help: 'images, what runs now, what is remembered',
  },
  {
    name: 'log-level',
    value: 'LEVEL',
    env: 'BULKHEAD_LOG_LEVEL',
    fallback: 'warn',
    problem: oneOf('error', 'warn', 'info', 'debug'),
    help: 'error, warn, info or debug',
  },
  {
    name: 'accel',
    value: 'HOW',
    env: 'BULKHEAD_ACCEL',
    fallback: 'auto',
    problem: oneOf('auto', 'kvm', 'tcg'),
    help: 'VM acceleration: auto (KVM if a guest really boots with it), kvm, tcg (emulation)',
  },
  {
    name: 'nesting',
    value: 'WHERE',
    env: 'BULKHEAD_NESTING',
    fallback: 'host',
    problem: oneOf('host', 'vm'),
    help: 'where learners may build partitions of their own: host (people you know), vm (strangers)',
  },
  {
    name: 'max-machines',
    value: 'N',
    env: 'BULKHEAD_MAX_MACHINES',
    fallback: '0',
    problem: isMachines,
    help: 'machines that may run at once; 0: one for each 32 MiB of memory, at least 64',
  },
  {
    name: 'tab',
    value: 'WHETHER',
    env: 'BULKHEAD_TAB',
    fallback: 'on',
    problem: oneOf('on', 'off'),
    help: "on: a Linux for readers' tabs is built in the background, once (some minutes, 100 MB); off",
  },
  {
    name: 'config',
    value: 'FILE',
    env: 'BULKHEAD_CONFIG',
    fallback: '',
    problem: () => undefined,
    help: 'configuration file with these options and more (docs/configuration.md)',
  },
] as const satisfies readonly OptionSpec[];

export type Options = Record<(typeof OPTIONS)[number]['name'], string>;

export const helpText = (): string => {
  const lines = OPTIONS.map(
    (o) =>
      `  ${`--${o.name} ${o.value}`.padEnd(20)} ${o.help}\n${' '.repeat(23)}[${o.env}, otherwise ${o.fallback === '' ? 'none' : o.fallback}]`,
  );
  return `Usage: npm start -- [options]

Installs what is missing, builds, starts Bulkhead and prints its address. Ctrl-C ends everything it started.

${lines.join('\n')}
  --help               this text
`;
};

/** What a configuration file says, as texts; nothing for an empty path. Throws PlainError with every mistake in it. */
export const readFile = (path: string): Record<string, string> => {
  if (path === '') return {};
  try {
    return readConfig(path, fileSettings);
  } catch (error) {
    throw error instanceof ConfigError ? new PlainError(error.message) : error;
  }
};

/** Reads options from the command line; where it says nothing, the environment; then the configuration file. Throws PlainError naming the valid values. */
export const parseOptions = (args: readonly string[], env: NodeJS.ProcessEnv): Options => {
  const given = new Map<string, { text: string; from: string }>();
  for (let i = 0; i < args.length; i++) {
    const [flag = '', inline] = (args[i] ?? '').split(/=(.*)/s, 2);
    const spec = OPTIONS.find((o) => `--${o.name}` === flag);
    if (!spec)
      throw new PlainError(
        `unknown option ${flag}; valid are ${OPTIONS.map((o) => `--${o.name}`).join(', ')}, --help`,
      );
    const text = inline ?? args[++i];
    if (text === undefined) throw new PlainError(`${flag} needs a value: ${spec.help}`);
    given.set(spec.name, { text, from: flag });
  }

  const file = readFile(given.get('config')?.text ?? env.BULKHEAD_CONFIG ?? '');
  const options: Partial<Options> = {};
  for (const spec of OPTIONS) {
    const fromEnv = env[spec.env];
    const { text, from } = given.get(spec.name) ??
      (fromEnv === undefined ? undefined : { text: fromEnv, from: spec.env }) ?? {
        text: file[spec.name] ?? spec.fallback,
        from: spec.name,
      };
    const valid = spec.problem(text);
    if (valid !== undefined) throw new PlainError(`${from} is ${JSON.stringify(text)}, but must be ${valid}`);
    options[spec.name] = text;
  }
  return options as Options;
};
