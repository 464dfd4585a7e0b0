import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { helpText } from '../../sandbox-server/src/options.ts';
import { ROOT } from '../setup.ts';
import { packagesOf } from './layout.ts';
import { units } from './units.ts';

const able = spawnSync('systemd-analyze', ['--version']).status === 0;

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'bh-'));
  mkdirSync(join(directory, 'bin'));
  for (const program of ['node', 'bulkheadd']) {
    writeFileSync(join(directory, 'bin', program), '#!/bin/sh\n');
    chmodSync(join(directory, 'bin', program), 0o755);
  }
  const place = { programs: directory, config: '/etc/b.yaml', state: '/var/lib/bulkhead', user: 'root' };
  for (const [name, text] of Object.entries(units(place))) writeFileSync(join(directory, name), text);
});
afterAll(() => rmSync(directory, { recursive: true }));

const analyze = (...args: string[]) =>
  spawnSync('systemd-analyze', args, {
    encoding: 'utf8',
    cwd: directory,
    env: { ...process.env, LC_ALL: 'C' },
  });

describe.skipIf(!able)('the units', () => {
  test('are ones that systemd has nothing to say against', () => {
    const files = ['bulkhead-machines', 'bulkheadd', 'bulkhead-server'].map((name) => `./${name}.service`);
    const { status, stderr } = analyze('verify', '--man=no', ...files);
    expect(stderr.split('\n').filter((line) => line.includes('bulkhead'))).toEqual([]);
    expect(status).toBe(0);
  });

  test('leave the server exposed to little', () => {
    const file = './bulkhead-server.service';
    const { status, stdout } = analyze('security', '--offline=true', '--threshold=20', '--no-pager', file);
    expect(stdout).toMatch(/Overall exposure level for bulkhead-server\.service: [01]\.\d OK/);
    expect(status).toBe(0);
  });
});

test('the units name options that there are, and keep the machines', () => {
  const text = readFileSync(join(directory, 'bulkheadd.service'), 'utf8');
  const source = readFileSync(join(ROOT, 'native/broker/bulkheadd.c'), 'utf8');
  for (const [, option] of text.matchAll(/ --([a-z-]+) /g))
    if (!['reuid', 'regid', 'clear-groups'].includes(option ?? '')) expect(source).toContain(`{"${option}",`);
  expect(text).toContain('--keep-machines');
  expect(text).toContain('KillMode=process');
  expect(helpText()).toContain('--config');
});

test('what is installed has the packages that the server imports, and not those that build and test', () => {
  const names = [...packagesOf(join(ROOT, 'sandbox-server'), ROOT)].map((path) =>
    path.split('node_modules/').at(-1),
  );
  for (const name of ['fastify', 'zod', 'ws', 'yaml', 'pino', 'prom-client', 'avvio'])
    expect(names).toContain(name);
  for (const name of ['vitest', 'astro', 'typescript', 'node']) expect(names).not.toContain(name);
});
