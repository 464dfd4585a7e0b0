// docs/runtime.md's table of the specification's fields, made true: it is the runtime's own table, every field in it is
// read or refused, and the tests it names are there.
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Config, runtime, Workshop } from './bundle.ts';

const repository = resolve(import.meta.dirname, '../..');
const able = process.getuid?.() === 0 && existsSync(runtime);
const unified = existsSync('/sys/fs/cgroup/cgroup.controllers');

type Row = { readonly kinds: string[]; readonly since: string; readonly done: string; readonly test: string };

/** The rows of the table, with every kind of field spelled out. */
const rows = (): Row[] => {
  const page = readFileSync(join(repository, 'docs/runtime.md'), 'utf8');
  const section = page.slice(page.indexOf('## The specification, field by field'));
  const lines = section.split('\n').filter((line) => line.startsWith('| `'));
  return lines.map((line) => {
    const [fields = '', since = '', done = '', , named = ''] = line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim());
    const kinds: string[] = [];
    for (const [, name = ''] of fields.matchAll(/`([^`]+)`/g)) {
      const before = kinds.at(-1) ?? '';
      kinds.push(name.startsWith('.') ? before.slice(0, before.lastIndexOf('.')) + name : name);
    }
    return { kinds, since, done, test: named };
  });
};
const table = rows();

/** What must stand beside a field so that its own value is what is wrong. */
const frames: Record<string, unknown> = {
  'mounts[]': { destination: '/m', type: 'tmpfs', source: 'tmpfs', options: [] },
  'process.rlimits[]': { type: 'RLIMIT_CORE', soft: 1, hard: 1 },
  'process.scheduler': { policy: 'SCHED_OTHER' },
  'process.ioPriority': { class: 'IOPRIO_CLASS_BE' },
  'hooks.*[]': { path: '/bin/true' },
  'linux.devices[]': { path: '/dev/x', type: 'c', major: 1, minor: 3 },
  'linux.personality': { domain: 'LINUX' },
  'linux.resources.hugepageLimits[]': { pageSize: '2MB', limit: 1 },
  'linux.resources.network.priorities[]': { name: 'lo', priority: 1 },
  'linux.resources.rdma.*': { hcaHandles: 1 },
  'linux.seccomp': { defaultAction: 'SCMP_ACT_ALLOW' },
  'linux.seccomp.syscalls[]': { names: ['mkdir'], action: 'SCMP_ACT_LOG' },
  'linux.seccomp.syscalls[].args[]': { index: 0, value: 0, op: 'SCMP_CMP_EQ' },
  'linux.resources.blockIO.weightDevice[]': { major: 8, minor: 0, weight: 10 },
};
for (const list of ['mounts[].', 'linux.'])
  for (const ids of ['uidMappings[]', 'gidMappings[]'])
    frames[list + ids] = { containerID: 0, hostID: 100000, size: 65536 };
for (const what of ['ReadBps', 'WriteBps', 'ReadIOPS', 'WriteIOPS'])
  frames[`linux.resources.blockIO.throttle${what}Device[]`] = { major: 8, minor: 0, rate: 1 };

/** A key for the "*" of a field. */
const keys: Record<string, string> = {
  annotations: 'org.example.note',
  hooks: 'poststop',
  'linux.resources.rdma': 'mlx5_0',
  'linux.resources.unified': 'memory.high',
  'linux.sysctl': 'kernel.msgmax',
  'linux.timeOffsets': 'boottime',
};

type Json = Record<string, unknown>;

/** Puts `value` at the field of this kind, and returns the field's path as errors name it. */
const put = (config: Json, kind: string, value: unknown): string => {
  let at = config;
  let path = '';
  let walked = '';
  const steps = kind.split('.');
  for (const [index, step] of steps.entries()) {
    const name = step.replace('[]', '');
    const key = name === '*' ? (keys[walked] ?? '') : name;
    const last = index === steps.length - 1;
    const isList = step.endsWith('[]');
    path += `${path ? '.' : ''}${key}${isList ? '[0]' : ''}`;
    walked += `${walked ? '.' : ''}${step}`;
    if (last && !isList) at[key] = value;
    else {
      const inner = { ...(frames[walked] as Json | undefined) };
      if (isList) at[key] = [inner];
      else at[key] = walked in frames ? inner : { ...(at[key] as Json | undefined) };
      at = (isList ? (at[key] as Json[])[0] : at[key]) as Json;
    }
  }
  return path;
};

describe('the table of fields in docs/runtime.md', () => {
  test('is the runtime’s own, with the same ones refused', () => {
    const source = readFileSync(join(repository, 'native/runtime/config_fields.c'), 'utf8');
    const own = [...source.matchAll(/^ {4}\{"([^"]+)", (NULL|[A-Z_]+|")/gm)].map(([, kind, reason]) => ({
      kind,
      refused: reason !== 'NULL',
    }));
    expect(own.length).toBeGreaterThan(180);
    const documented = table.flatMap(({ kinds, done }) =>
      kinds.map((kind) => ({ kind, refused: done.startsWith('refused') })),
    );
    const sorted = (list: { kind?: string | undefined }[]) =>
      list.toSorted((a, b) => (String(a.kind) < String(b.kind) ? -1 : 1));
    expect(sorted(documented)).toEqual(sorted(own));
  });

  test('names tests that are there', () => {
    for (const { kinds, test: named, done } of table) {
      if (done.startsWith('not read')) continue;
      const [, file = '', title = ''] = /^(\w+)(?:: (.*))?$/.exec(named) ?? [];
      const candidates = [`oci-${file}.test.ts`, `${file}.test.ts`].map((name) =>
        join(import.meta.dirname, name),
      );
      const found = candidates.find((path) => existsSync(path));
      expect(found, `${kinds[0]}: ${named}`).toBeDefined();
      // A title that is put together in a loop stands there in parts.
      const text = readFileSync(found ?? '', 'utf8');
      expect(text.includes(title) || /^(hugetlb|net_cls)$/.test(title), `${kinds[0]}: ${named}`).toBe(true);
    }
  });

  test('says since when', () => {
    for (const { kinds, since } of table) expect(since, kinds[0]).toMatch(/^(1\.\d|drafts)/);
  });
});

describe.skipIf(!able)('every field (needs root and native/build)', () => {
  let shop: Workshop;
  beforeAll(() => {
    shop = new Workshop();
  });
  afterAll(() => shop.end());

  const wrong: unknown[] = [{ wrong: true }, 'wrong', 1.5];
  /** What is said of each wrong value, and the field's path. */
  const answers = (kind: string): { path: string; said: string[] } => {
    let path = '';
    const said = wrong.map((value) => {
      const bundle = shop.bundle('true', (config: Config) => {
        path = put(config as unknown as Json, kind, value);
      });
      const done = shop.run(['run', '--bundle', bundle, 'fielded']);
      return done.status === 0 ? '' : done.stderr;
    });
    return { path, said };
  };

  for (const { kinds, done } of table) {
    if (done.startsWith('not read')) continue;
    const isRefused = done.startsWith('refused');
    test(`${kinds[0]}${kinds.length > 1 ? ` and ${kinds.length - 1} more` : ''} ${isRefused ? 'refused' : 'read'}`, () => {
      for (const kind of kinds) {
        const { path, said } = answers(kind);
        if (isRefused)
          for (const text of said)
            expect(text).toMatch(new RegExp(`${path.replace(/[[\].]/g, '\\$&')} is not supported: .`));
        else if (kind === 'linux.resources.unified.*' && !unified)
          expect(said.join('')).toContain('linux.resources.unified needs a host with cgroup v2');
        else
          expect(
            said.filter((text) => text.includes(`${path} `)),
            `${path}: ${said.join('')}`,
          ).not.toEqual([]);
      }
    });
  }
});
