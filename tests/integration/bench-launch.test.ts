// The launch benchmark, small: that it still runs and says what it promises. No time is judged here.
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { emptyUnifiedTree } from '../bench/timer.ts';
import { patiently } from '../patience.ts';
import { temporaryFolder } from '../temporary-folder.ts';
import { runtime } from './bundle.ts';

const able = process.getuid?.() === 0 && existsSync(runtime);
const bench = join(import.meta.dirname, '../bench/launch.bench.ts');

const milliseconds = { median: expect.any(Number), p90: expect.any(Number), runs: 2 };

describe.skipIf(!able)('npm run bench -- launch (needs root and native/build)', () => {
  let directory: string;
  beforeAll(() => {
    directory = temporaryFolder('bench');
    chmodSync(directory, 0o755); // its images are read by the containers' users
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  test('times every contender that is there, alone and beside live containers, and leaves nothing', () => {
    const out = join(directory, 'launch.json');
    const done = spawnSync(process.execPath, [bench, '--rounds=2', '--live=0,3', `--out=${out}`], {
      encoding: 'utf8',
      env: { ...process.env, TMPDIR: directory },
      timeout: patiently(55_000),
    });
    expect(done.status, done.stderr).toBe(0);
    expect(done.stdout).toContain('3 live containers, back to back');
    const result = JSON.parse(readFileSync(out, 'utf8'));
    expect(result).toMatchObject({ rounds: 2, before: { kernel: expect.any(String) } });
    const names: string[] = result.contenders.map(({ name }: { name: string }) => name);
    expect(names).toEqual(expect.arrayContaining(['bulkhead run', 'floor', 'clone3', 'fork + exec']));
    // Who is not timed is named, with what to install.
    for (const { reason } of result.skipped) expect(reason).toMatch(/^skipped: /);
    expect(names.length + result.skipped.length).toBe(7);
    for (const name of names)
      for (const live of [0, 3])
        for (const gapMs of [80, 0])
          expect(result.launches).toContainEqual(
            expect.objectContaining({
              name,
              live,
              gapMs,
              wallMs: expect.objectContaining(milliseconds),
              payloadMs: expect.objectContaining(milliseconds),
              ratios: expect.objectContaining({ floor: expect.any(Number) }),
            }),
          );
    expect(result.verbs.map(({ name }: { name: string }) => name)).toEqual([
      'create',
      'start',
      'exec',
      'delete --force',
    ]);
    expect(result.memory).toEqual([expect.objectContaining({ live: 3, runtimeProcesses: 0 })]);
    expect(result.memory[0].pssKiB).toBeGreaterThan(0);
    expect(readdirSync(directory)).toEqual(['launch.json']);
    const floor: string[] = result.contenders.find(({ name }: { name: string }) => name === 'floor').command;
    const group = floor[2]?.replace('-floor', '') ?? '';
    expect(group).toMatch(/^bulkhead-/);
    for (const hierarchy of readdirSync('/sys/fs/cgroup'))
      for (const name of [group, `${group}-floor`])
        expect(existsSync(join('/sys/fs/cgroup', hierarchy, name))).toBe(false);
  });

  test('covers the v2 tree of a mixed host for crun, and no other host’s', () => {
    const v1 = '31 23 0:30 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu\n';
    const v2 = (at: string): string => `38 31 0:38 / ${at} rw,relatime shared:4 - cgroup2 cgroup2 rw\n`;
    expect(emptyUnifiedTree(v1 + v2('/sys/fs/cgroup/unified'))).toBe('/sys/fs/cgroup/unified');
    expect(emptyUnifiedTree(v1)).toBeUndefined();
    expect(emptyUnifiedTree(v2('/sys/fs/cgroup'))).toBeUndefined();
  });
});
