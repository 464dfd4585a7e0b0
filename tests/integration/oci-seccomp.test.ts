// linux.seccomp: every action, operator and flag as a container's processes meet it, and the agent that may answer.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Config, runtime, Workshop } from './bundle.ts';

const able = process.getuid?.() === 0 && existsSync(runtime);

type Rule = {
  names: string[];
  action: string;
  errnoRet?: number;
  args?: { index: number; value: number; valueTwo?: number; op: string }[];
};
type Profile = { defaultAction: string; syscalls?: Rule[]; [field: string]: unknown };

const as = (seccomp: Profile) => (config: Config) => Object.assign(config.linux, { seccomp });
/** A profile that allows everything but `names`. */
const but = (names: string[], action: string, more: Partial<Rule> = {}): Profile => ({
  defaultAction: 'SCMP_ACT_ALLOW',
  syscalls: [{ names, action, ...more }],
});

describe.skipIf(!able)('linux.seccomp (needs root and native/build)', () => {
  let shop: Workshop;
  beforeAll(() => {
    shop = new Workshop();
  });
  afterAll(() => shop.end());

  const mkdir = (seccomp: Profile): string => {
    const { stdout, stderr } = shop.inside('mkdir /tmp/a && echo made; echo $?', as(seccomp));
    return stdout + stderr;
  };

  describe('actions', () => {
    const names = ['mkdir', 'mkdirat'];
    for (const [action, sees] of [
      ['SCMP_ACT_ALLOW', /^made\n0\n$/],
      ['SCMP_ACT_LOG', /^made\n0\n$/],
      ['SCMP_ACT_ERRNO', /^1\n.*Operation not permitted/],
      ['SCMP_ACT_TRACE', /^1\n.*Function not implemented/], // nobody traces
      ['SCMP_ACT_KILL', /^159\n/], // 128 + SIGSYS
      ['SCMP_ACT_KILL_THREAD', /^159\n/],
      ['SCMP_ACT_KILL_PROCESS', /^159\n/],
      ['SCMP_ACT_TRAP', /^159\n/],
    ] as const)
      test(action, () => expect(mkdir(but(names, action))).toMatch(sees));

    test('an errno of the profile’s own, for a rule and for what has none', () => {
      expect(mkdir(but(names, 'SCMP_ACT_ERRNO', { errnoRet: 28 }))).toContain('No space left');
      // All but what it takes to run a shell and ls.
      const allowed = readFileSync('native/seccomp/hardened.json', 'utf8');
      const profile = JSON.parse(allowed) as Profile;
      for (const rule of profile.syscalls ?? [])
        rule.names = rule.names.filter((name) => !names.includes(name));
      expect(mkdir({ ...profile, defaultErrnoRet: 30 })).toContain('Read-only file system');
    });

    test('an errno for an action that answers with none is refused', () => {
      expect(mkdir(but(names, 'SCMP_ACT_KILL', { errnoRet: 1 }))).toContain(
        'linux.seccomp.syscalls[0]: SCMP_ACT_KILL answers with no errno of its own',
      );
      expect(mkdir({ defaultAction: 'SCMP_ACT_ALLOW', defaultErrnoRet: 1 })).toContain(
        'linux.seccomp.defaultAction',
      );
    });
  });

  describe('operators', () => {
    /** Which modes chmod may still set when the rule refuses those that compare. */
    const left = (op: string, value: number, valueTwo = 0, change = (text: string) => text): string => {
      const rule = (name: string, index: number): Rule => ({
        names: [name],
        action: 'SCMP_ACT_ERRNO',
        args: [{ index, value, valueTwo, op }],
      });
      const bundle = shop.bundle(
        'touch /tmp/f; for m in 600 700 750; do chmod $m /tmp/f 2>/dev/null && echo $m; done',
        as({ defaultAction: 'SCMP_ACT_ALLOW', syscalls: [rule('chmod', 1), rule('fchmodat', 2)] }),
      );
      const file = join(bundle, 'config.json');
      writeFileSync(file, change(readFileSync(file, 'utf8')));
      return shop.run(['run', '--bundle', bundle, 'compared']).stdout.trim().replaceAll('\n', ' ');
    };
    for (const [op, stay] of [
      ['SCMP_CMP_EQ', '600 750'],
      ['SCMP_CMP_NE', '700'],
      ['SCMP_CMP_LT', '700 750'],
      ['SCMP_CMP_LE', '750'],
      ['SCMP_CMP_GE', '600'],
      ['SCMP_CMP_GT', '600 700'],
    ] as const)
      test(op, () => expect(left(op, 0o700)).toBe(stay));

    test('SCMP_CMP_MASKED_EQ, also with a mask of all 64 bits', () => {
      expect(left('SCMP_CMP_MASKED_EQ', 0o077, 0)).toBe('750');
      const all = (text: string) => text.replaceAll('"value":4242', '"value":18446744073709551615');
      expect(left('SCMP_CMP_MASKED_EQ', 4242, 0o700, all)).toBe('600 750');
    });
  });

  test('flags and architectures', () => {
    const profile = but(['mkdir'], 'SCMP_ACT_LOG');
    const { flags, archs } = (({ seccomp }) => ({ flags: seccomp.supportedFlags, archs: seccomp.archs }))(
      JSON.parse(shop.run(['features']).stdout).linux as {
        seccomp: { supportedFlags: string[]; archs: string[] };
      },
    );
    const alone = flags.filter((flag) => flag !== 'SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV');
    expect(alone).toEqual([
      'SECCOMP_FILTER_FLAG_TSYNC',
      'SECCOMP_FILTER_FLAG_LOG',
      'SECCOMP_FILTER_FLAG_SPEC_ALLOW',
    ]);
    expect(mkdir({ ...profile, flags: alone })).toBe('made\n0\n');
    expect(mkdir({ ...profile, flags: ['SECCOMP_FILTER_FLAG_NONE'] })).toContain(
      'linux.seccomp.flags: SECCOMP_FILTER_FLAG_NONE is not supported',
    );
    expect(archs).toContain('SCMP_ARCH_X86_64');
    expect(mkdir({ ...profile, architectures: ['SCMP_ARCH_X86_64', 'SCMP_ARCH_AARCH64'] })).toBe('made\n0\n');
    expect(mkdir({ ...profile, architectures: ['SCMP_ARCH_PDP11'] })).toContain(
      'linux.seccomp.architectures: there is no architecture "SCMP_ARCH_PDP11"',
    );
  });

  describe('SCMP_ACT_NOTIFY', () => {
    let program: string;
    beforeAll(() => {
      program = join(shop.directory, 'seccomp-agent');
      execFileSync('cc', [
        '-O1',
        '-D_GNU_SOURCE',
        '-o',
        program,
        join(import.meta.dirname, 'seccomp-agent.c'),
      ]);
    });

    /** Runs `act` while an agent answers `errno` on the socket it is given. Returns what the agent printed. */
    const answered = async (errno: number, act: (path: string) => void): Promise<string[]> => {
      const path = join(shop.directory, `agent-${Math.random()}`);
      const agent = spawn(program, [path, String(errno)], { stdio: ['pipe', 'pipe', 'inherit'] });
      const exited = once(agent, 'exit');
      const lines: string[] = [];
      const reader = createInterface(agent.stdout);
      const ready = once(reader, 'line');
      reader.on('line', (line) => lines.push(line));
      await ready;
      act(path);
      agent.stdin.end();
      await exited;
      return lines.slice(1);
    };
    const notifying = (path: string, more: Partial<Profile> = {}): Profile => ({
      ...but(['mkdir', 'mkdirat'], 'SCMP_ACT_NOTIFY'),
      listenerPath: path,
      ...more,
    });

    for (const noNewPrivileges of [true, false])
      test(`the agent answers, and is told of whom (noNewPrivileges ${noNewPrivileges})`, async () => {
        const change = (path: string) => (config: Config) => {
          as(notifying(path, { listenerMetadata: 'of ours' }))(config);
          config.process.noNewPrivileges = noNewPrivileges;
        };
        let seen = '';
        const lines = await answered(28, (path) => {
          const done = shop.inside('mkdir /tmp/a', change(path));
          seen = done.stdout + done.stderr;
        });
        expect(seen).toContain('No space left on device');
        const state = JSON.parse(lines[0] ?? '');
        expect(state).toEqual({
          ociVersion: '1.2.1',
          fds: ['seccompFd'],
          pid: expect.any(Number),
          metadata: 'of ours',
          state: {
            ociVersion: '1.2.1',
            id: expect.stringMatching(/^c\d+$/),
            status: 'creating',
            pid: state.pid,
            bundle: expect.stringContaining('/bundle-'),
            annotations: expect.objectContaining({ 'dev.bulkhead.overlay.size': '67108864' }),
          },
        });
        expect(lines.slice(1)).toEqual([expect.stringMatching(/^asked \d+$/)]);
      });

    test('an agent may let the call go on, whatever else the profile refuses', async () => {
      const hardened = JSON.parse(readFileSync('native/seccomp/hardened.json', 'utf8')) as Profile;
      const syscalls = [
        ...(hardened.syscalls ?? []),
        { names: ['mkdir', 'mkdirat'], action: 'SCMP_ACT_NOTIFY' },
      ];
      let seen = '';
      await answered(0, (path) => {
        seen = mkdir({ ...hardened, syscalls, listenerPath: path });
      });
      expect(seen).toBe('made\n0\n');
    });

    test('create waits for no agent but `start`’s program has one; exec has a listener of its own', async () => {
      const lines = await answered(1, (path) => {
        const bundle = shop.bundle('mkdir /tmp/a; echo $? > /tmp/status; sleep 1000', as(notifying(path)));
        shop.detach('told', bundle, ['create']);
        expect(shop.run(['start', 'told']).status).toBe(0);
        expect(shop.run(['exec', 'told', 'mkdir', '/tmp/b']).stderr).toContain('Operation not permitted');
        shop.run(['delete', '--force', 'told']);
      });
      const states = lines.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line));
      expect(states.map(({ state }) => state.status)).toEqual(['creating', 'running']);
      expect(states[1].state.pid).toBe(states[0].pid);
      expect(states[1].pid).not.toBe(states[0].pid);
    });

    test('without an agent nothing runs', () => {
      const missing = join(shop.directory, 'nobody');
      expect(mkdir(notifying(missing))).toContain(
        `linux.seccomp.listenerPath: cannot connect to ${missing}: No such file or directory`,
      );
      const refused: [Profile, string][] = [
        [but(['mkdir'], 'SCMP_ACT_NOTIFY'), 'SCMP_ACT_NOTIFY needs listenerPath'],
        [{ ...notifying(missing), defaultAction: 'SCMP_ACT_NOTIFY' }, 'for ever'],
        [{ ...but(['sendmsg'], 'SCMP_ACT_NOTIFY'), listenerPath: missing }, 'for ever'],
        [{ ...but(['mkdir'], 'SCMP_ACT_LOG'), listenerMetadata: 'x' }, 'listenerMetadata needs listenerPath'],
        [
          { ...but(['mkdir'], 'SCMP_ACT_LOG'), flags: ['SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV'] },
          'needs SCMP_ACT_NOTIFY',
        ],
      ];
      for (const [profile, reason] of refused) expect(mkdir(profile)).toContain(reason);
      // It is not for a filter that does not notify.
      expect(mkdir({ ...but(['mkdir'], 'SCMP_ACT_LOG'), listenerPath: missing })).toBe('made\n0\n');
    });

    test('WAIT_KILLABLE_RECV goes with it', async () => {
      let seen = '';
      await answered(0, (path) => {
        seen = mkdir(notifying(path, { flags: ['SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV'] }));
      });
      expect(seen).toBe('made\n0\n');
    });
  });
});
