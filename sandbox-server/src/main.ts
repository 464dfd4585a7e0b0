// sandbox-server: serves the site, the API and the terminals. Never as root: whoever takes it over gets a user that may ask
// the broker for sandboxes and nothing else.
import pino from 'pino';
import { requestFields } from './http/requests.ts';
import { helpText, OptionError, type Options, parseOptions } from './options.ts';
import { messageOf } from './problem.ts';
import { startServer } from './server.ts';

function fail(message: string): never {
  process.stderr.write(`bulkhead-server: ${message}\n`);
  process.exit(1);
}

function readOptions(): Options {
  try {
    return parseOptions(process.argv.slice(2), process.env);
  } catch (error) {
    if (error instanceof OptionError) fail(`${error.message} (--help lists the options)`);
    throw error;
  }
}

function whyNotStarted(error: unknown, { address, port }: Options): string {
  const next = `choose another: --port ${port + 1}`;
  switch ((error as NodeJS.ErrnoException).code) {
    case 'EADDRINUSE':
      return `port ${port} is in use at ${address}; end what uses it (ss -ltnp 'sport = :${port}' names it), or ${next}`;
    case 'EADDRNOTAVAIL':
      return `${address} is not an address of this machine; ip addr lists them`;
    case 'EACCES':
      return messageOf(error).includes('listen')
        ? `port ${port} is for root; choose one above 1023 with --port`
        : messageOf(error);
    default:
      return messageOf(error);
  }
}

if (process.argv.includes('--help')) {
  process.stdout.write(helpText());
  process.exit(0);
}
if (process.getuid?.() === 0) {
  fail(
    'this server does not run as root; use npm start, or setpriv --reuid USER --regid GROUP --clear-groups',
  );
}
const options = readOptions();
// Synchronous, so that the last words before a crash are not lost.
const log = pino(
  { level: options['log-level'], base: null, mixin: requestFields },
  pino.destination({ fd: 2, sync: true }),
);
const server = await startServer(options, log).catch((error: unknown) => fail(whyNotStarted(error, options)));

let stopping = false;
async function stop(why: string): Promise<void> {
  if (stopping) return;
  stopping = true;
  log.info({ why }, 'stopping; machines live on');
  await server.close();
  process.exit(0);
}
process.on('SIGTERM', () => void stop('SIGTERM'));
process.on('SIGINT', () => void stop('SIGINT'));
if (options['stop-on-eof']) {
  process.stdin.on('end', () => void stop('end of standard input'));
  process.stdin.on('error', () => void stop('error on standard input'));
  process.stdin.resume();
}
