// Hooks of config.json: when each kind runs, where, what it is told, and what its failure does.
import { existsSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { patiently } from '../patience.ts';
import { type Config, runtime, Workshop } from './bundle.ts';
import { runs } from './monitor.ts';

const root = process.getuid?.() === 0;
const built = existsSync(runtime);

const KINDS = [
  'prestart',
  'createRuntime',
  'createContainer',
  'startContainer',
  'poststart',
  'poststop',
] as const;
type Kind = (typeof KINDS)[number];
type Hook = { path: string; args?: string[]; env?: string[]; timeout?: number };
type Told = { kind: Kind; state: Record<string, unknown>; net: string; uts: string; env: string };

describe.skipIf(!root || !built)('hooks (needs root and native/build)', () => {
  let shop: Workshop;
  beforeAll(() => {
    shop = new Workshop();
  });
  afterAll(() => shop.end());

  const script = (text: string, more: Partial<Hook> = {}): Hook => ({
    path: '/bin/sh',
    args: ['sh', '-c', text],
    env: ['PATH=/usr/bin:/bin'],
    ...more,
  });

  /** A hook that appends what it sees to `out`, an inherited fd's file. */
  const told = (kind: Kind): Hook =>
    script(
      `printf '%s\\n' "{\\"kind\\":\\"${kind}\\",\\"state\\":$(cat),\\"net\\":\\"$(readlink /proc/$$/ns/net)\\",\\"uts\\":\\"$(hostname)\\",\\"env\\":\\"$ONE\\"}" >&2`,
      { env: ['PATH=/usr/bin:/bin', `ONE=${kind}`] },
    );

  const withHooks =
    (hooks: Partial<Record<Kind, Hook[]>>, change: (config: Config) => void = () => {}) =>
    (config: Config): void => {
      config.annotations = { ...config.annotations, 'org.example.told': 'yes' };
      config.hooks = hooks;
      change(config);
    };

  const every = (): Partial<Record<Kind, Hook[]>> =>
    Object.fromEntries(KINDS.map((kind) => [kind, [told(kind)]]));

  test('a launch whose caller dies in the middle ends with it, when that was asked for', async () => {
    const container = join(shop.directory, 'container');
    const launcher = join(shop.directory, 'launcher');
    // The runtime waits for this hook, which first kills the runtime's parent and ends when it has another parent itself.
    const hook = `sed 's/.*"pid":\\([0-9]*\\).*/\\1/' > ${container}
      read -r _ _ _ caller _ < /proc/$PPID/stat; kill -9 $caller
      until read -r _ _ _ parent _ < /proc/$$/stat; [ $parent != $PPID ]; do sleep 0.01; done
      echo $PPID > ${launcher}.new; mv ${launcher}.new ${launcher}`;
    const bundle = shop.bundle('sleep 1000', withHooks({ createRuntime: [script(hook, { timeout: 30 })] }));
    const run = `setpriv --pdeathsig KILL ${runtime} --root ${shop.state} run --detach --bundle ${bundle} left`;
    shop.shell(`sh -c '${run}; true' & wait`, true);
    await expect.poll(() => existsSync(launcher), { timeout: patiently(20_000) }).toBe(true);
    // Neither is there to go on: no launcher, and nothing that it launched.
    const pids = [launcher, container].map((file) => Number(readFileSync(file, 'utf8')));
    expect(Math.min(...pids)).toBeGreaterThan(1);
    await expect.poll(() => pids.filter(runs), { timeout: patiently(20_000) }).toEqual([]);
    expect(shop.run(['state', 'left']).stdout).not.toContain('"running"');
    expect(shop.run(['delete', '--force', 'left']).status).toBe(0);
  });

  test('run in their order, each told the state, in the namespaces it is meant for', () => {
    const bundle = shop.bundle('echo {\\"kind\\":\\"program\\"} >&2', withHooks(every()));
    const { stderr, status } = shop.run(['run', '--bundle', bundle, 'order']);
    expect(status).toBe(0);
    const seen = stderr
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Told);
    // poststart runs beside the program, so only its place among the hooks is certain.
    expect(seen.map((one) => one.kind as string).filter((kind) => kind !== 'program')).toEqual([...KINDS]);
    expect(seen.findIndex((one) => (one.kind as string) === 'program')).toBeGreaterThan(3);
    const host = readlinkSync('/proc/self/ns/net');
    const by = new Map(seen.map((one) => [one.kind, one]));
    for (const kind of KINDS) {
      const inside = kind === 'createContainer' || kind === 'startContainer';
      expect(by.get(kind)?.net === host, kind).toBe(!inside);
      expect(by.get(kind)?.uts === 'box', kind).toBe(inside);
      expect(by.get(kind)?.env).toBe(kind);
      expect(by.get(kind)?.state).toMatchObject({
        ociVersion: '1.2.1',
        id: 'order',
        bundle,
        annotations: { 'org.example.told': 'yes' },
      });
    }
    expect(KINDS.map((kind) => by.get(kind)?.state.status)).toEqual([
      'creating',
      'creating',
      'creating',
      'created',
      'running',
      'stopped',
    ]);
    expect(by.get('createRuntime')?.state.pid).toBe(by.get('poststart')?.state.pid);
    expect(by.get('createContainer')?.state.pid).toBe(1);
    expect(by.get('startContainer')?.state.pid).toBe(1);
    expect(by.get('poststop')?.state).not.toHaveProperty('pid');
  });

  test('belong to create, start and delete when those are used', () => {
    const file = join(shop.directory, 'verbs');
    const note = (kind: Kind): Hook[] => [script(`echo ${kind} >> ${file}`)];
    const bundle = shop.bundle(
      'sleep 1000',
      withHooks({
        createRuntime: note('createRuntime'),
        poststart: note('poststart'),
        poststop: note('poststop'),
      }),
    );
    const lines = (): string[] => readFileSync(file, 'utf8').trim().split('\n');
    shop.detach('verbs', bundle, ['create']);
    expect(lines()).toEqual(['createRuntime']);
    expect(shop.run(['start', 'verbs']).status).toBe(0);
    expect(lines()).toEqual(['createRuntime', 'poststart']);
    expect(shop.run(['delete', '--force', 'verbs']).status).toBe(0);
    expect(lines()).toEqual(['createRuntime', 'poststart', 'poststop']);
  });

  test('a prestart hook finds the container’s namespaces; a createContainer hook its mounts, before its root', () => {
    const { stderr, status } = shop.inside(
      'true',
      withHooks({
        prestart: [
          script(
            'pid=$(sed "s/.*\\"pid\\":\\([0-9]*\\).*/\\1/"); nsenter -t $pid -n cat /proc/net/dev | grep -c : >&2',
          ),
        ],
        createContainer: [script('grep -c " /proc/sys " /proc/self/mountinfo >&2; ls -d /usr/bin >&2')],
      }),
    );
    expect(stderr.split('\n')[0]).toBe('1'); // lo, and no other
    expect(stderr).toContain('/usr/bin\n');
    expect(status).toBe(0);
  });

  test('a startContainer hook is a program of the image, no freer than the container’s own', () => {
    const { stderr } = shop.inside(
      'true',
      withHooks({
        startContainer: [script('cat /etc/motd >&2; grep -E "^(CapEff|Seccomp):" /proc/self/status >&2')],
      }),
    );
    expect(stderr).toBe('of the image\nCapEff:\t0000000000000000\nSeccomp:\t2\n');
  });

  for (const kind of ['prestart', 'createRuntime', 'createContainer', 'startContainer'] as const)
    test(`a ${kind} hook that fails stops the container, which leaves nothing; poststop still runs`, () => {
      const { stdout, stderr, status } = shop.inside(
        'echo ran',
        withHooks({
          [kind]: [script('exit 3'), script('echo second >&2')],
          poststop: [script('echo cleared >&2')],
        }),
      );
      expect(status).toBe(1);
      expect(stdout).toBe('');
      expect(stderr).toContain('cleared\n');
      expect(stderr).toContain(`hooks.${kind}[0] /bin/sh: ended with status 3`);
      expect(stderr).not.toContain('second');
      expect(shop.run(['list', '--quiet']).stdout).toBe('');
    });

  for (const kind of ['poststart', 'poststop'] as const)
    test(`a ${kind} hook that fails is a warning, and the next ones run`, () => {
      const { stderr, status } = shop.inside(
        'exit 7',
        withHooks({ [kind]: [script('exit 3'), script('echo second >&2')] }),
      );
      expect(status).toBe(7);
      expect(stderr).toContain(`warning: hooks.${kind}[0] /bin/sh: ended with status 3`);
      expect(stderr).toContain('second\n');
    });

  test('one that takes longer than its timeout is killed; one that is not there is named', () => {
    const started = Date.now();
    const late = shop.inside('true', withHooks({ prestart: [script('exec sleep 60', { timeout: 1 })] }));
    expect(Date.now() - started).toBeLessThan(20_000);
    expect(late.stderr).toContain('hooks.prestart[0] /bin/sh: still ran after its timeout of 1 s');
    const missing = shop.inside('true', withHooks({ createRuntime: [{ path: '/no/such/hook' }] }));
    expect(missing.stderr).toContain(
      'hooks.createRuntime[0] /no/such/hook: cannot run it: No such file or directory',
    );
  });

  test('one that is not given an environment has none', () => {
    const { stderr } = shop.inside(
      'true',
      withHooks({
        prestart: [
          { path: '/bin/sh', args: ['sh', '-c', 'tr "\\0" "\\n" < /proc/$$/environ >&2; echo end >&2'] },
        ],
      }),
    );
    expect(stderr).toBe('end\n');
  });
});
