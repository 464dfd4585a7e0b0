// The whole server over a scripted broker, for unit tests: with a folder of its own for state and site, started and started again.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import pino, { type Logger } from 'pino';
import { parseOptions } from '../options.ts';
import { type RunningServer, startServer } from '../server.ts';
import { ScriptedBroker, until } from './scripted-broker.ts';

export class TestServer {
  readonly broker = new ScriptedBroker();
  readonly directory = mkdtempSync(join(tmpdir(), 'bh-'));
  readonly state = join(this.directory, 'state');
  readonly #site = join(this.directory, 'site');
  #running: RunningServer | null = null;

  /** `pages`: files of its site, by their paths. */
  constructor(pages: Record<string, string | Uint8Array> = {}) {
    const files = { 'index.html': '<!doctype html>home', '404.html': 'no such page', ...pages };
    for (const [path, content] of Object.entries(files)) {
      const file = join(this.#site, path);
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, content);
    }
  }

  get url(): string {
    if (!this.#running) throw new Error('the server does not run');
    return this.#running.url;
  }

  get metricsUrl(): string | null {
    return this.#running?.metricsUrl ?? null;
  }

  /** With a broker that listens, whose machines it knows. */
  async open(options: readonly string[] = [], log?: Logger): Promise<void> {
    await this.broker.listen();
    await this.start(options, log);
    await until(() => this.broker.requests.includes('machine.list'));
  }

  /** Whether or not the broker listens. */
  async start(options: readonly string[] = [], log = pino({ level: 'silent' })): Promise<void> {
    const args = ['--port', '0', '--pool', '0', '--state', this.state, '--site', this.#site];
    args.push('--broker', this.broker.socket, ...options);
    this.#running = await startServer(parseOptions(args, {}), log);
  }

  /** Over the same state, as after an upgrade: at another address. */
  async restart(): Promise<void> {
    await this.stop();
    this.broker.requests.length = 0;
    await this.start();
    await until(() => this.broker.requests.includes('machine.list'));
  }

  /** As SIGTERM does it; the broker and what is kept stay. */
  async stop(): Promise<void> {
    await this.#running?.close();
  }

  /** Stops it and removes what it had. */
  async close(): Promise<void> {
    await this.stop();
    await this.broker.close();
    rmSync(this.directory, { recursive: true });
  }
}
