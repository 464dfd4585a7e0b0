import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pino from 'pino';
import { expect, test } from 'vitest';
import { parseOptions } from '../options.ts';
import { startServer } from '../server.ts';
import { ScriptedBroker, until } from '../testing/scripted-broker.ts';

test('a server without a broker is healthy, not ready, and says why; with one it is ready', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'bh-'));
  writeFileSync(join(directory, 'index.html'), '<!doctype html>home');
  writeFileSync(join(directory, '404.html'), 'no such page');
  const broker = new ScriptedBroker();
  const options = [
    '--port',
    '0',
    '--pool',
    '0',
    '--state',
    directory,
    '--broker',
    broker.socket,
    '--site',
    directory,
  ];
  const server = await startServer(parseOptions(options, {}), pino({ level: 'silent' }));
  const ask = async (path: string) => {
    const answer = await fetch(server.url + path);
    return `${answer.status} ${await answer.text()}`;
  };
  expect(await ask('/healthz')).toBe('200 ok\n');
  expect(await ask('/readyz')).toMatch(/^503 .*broker/);
  await broker.listen();
  await until(() => broker.requests.includes('machine.list'));
  await expect.poll(() => ask('/readyz')).toBe('200 ready\n');
  await server.close();
  await broker.close();
  rmSync(directory, { recursive: true });
});
