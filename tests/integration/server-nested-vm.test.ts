// Containers in VMs as a learner has them: asked for by name, or put there because the host's kernel lacks what they need.
// One sandbox for all tests: the later ones end what the earlier ones looked at.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { apiPaths } from '../../sandbox-server/src/protocol/addresses.ts';
import {
  type CreateSandbox,
  directorySchema,
  fileSchema,
  type Machine,
  ranSchema,
  type Sandbox,
} from '../../sandbox-server/src/protocol/api.ts';
import { patiently } from '../patience.ts';
import { census } from './census.ts';
import { expected, linesIn, sha256, tenMegabytes } from './flood.ts';
import { Learner, type RemoteTerminal } from './learner.ts';
import { type Stack, startStack } from './stack.ts';

/** Two templates are made on the way, one with SELinux. */
const READY_LIMIT_MS = patiently(240_000);
const size = { columns: 80, rows: 24 };

let stack: Stack;
let learner: Learner;
let sandbox: Sandbox;
const screens = new Map<string, RemoteTerminal>();

beforeAll(async () => {
  stack = await startStack();
  learner = await Learner.arrive(stack.url);
  sandbox = await learner.create([
    { name: 'vm', kind: 'vm', start: 'template', ...size },
    { name: 'box', kind: 'container', in: 'vm', ...size },
    { name: 'nest', kind: 'container', profile: 'nested', in: 'vm', ...size },
    { name: 'sealed', kind: 'container', needs: ['selinux'], ...size },
    { name: 'other', kind: 'container', needs: ['nested', 'selinux', 'cgroup2'], ...size },
    { name: 'plain', kind: 'container', ...size },
  ]);
  for (const { name } of sandbox.machines) {
    sandbox = await learner.waitFor(sandbox.id, name, 'running', READY_LIMIT_MS);
  }
  for (const { name, terminals } of sandbox.machines) {
    const [first] = terminals;
    if (!first) continue;
    const one = learner.terminal(sandbox.id, name, first.terminal);
    await one.attach();
    await one.see(/# $/);
    screens.set(name, one);
  }
}, READY_LIMIT_MS);
afterAll(async () => {
  const { state, cgroup } = stack;
  await stack.stop();
  expect(census(state, cgroup)).toEqual({ processes: [], mounts: [], cgroups: [], namespaces: [] });
});

const view = (name: string): Machine => {
  const machine = sandbox.machines.find((one) => one.name === name);
  if (!machine) throw new Error(`no machine ${name}`);
  return machine;
};
const screen = (name: string): RemoteTerminal => {
  const found = screens.get(name);
  if (!found) throw new Error(`no terminal of ${name}`);
  return found;
};
const look = async () => {
  sandbox = await learner.look(sandbox.id);
};
/** What a command prints, run without a terminal. */
const run = async (name: string, command: string, timeoutMs = 20_000) => {
  const wish = { command: ['/bin/sh', '-c', command], timeoutMs };
  const { status, body } = await learner.ask('POST', apiPaths.exec(sandbox.id, name), wish);
  if (status !== 200) throw new Error(`${status}: ${JSON.stringify(body)}`);
  return ranSchema.parse(body);
};
/** Every page comes back by itself after such a loss. */
const comeBack = async () => {
  for (const one of screens.values()) {
    await expect.poll(() => one.closed, { timeout: patiently(20_000) }).not.toBeNull();
    await one.attach();
  }
};

describe('where a container runs', () => {
  test('is told: in which VM, on which kernel, and why', () => {
    expect(sandbox.machines.map(({ name, where, carrier }) => [name, where.vm, carrier])).toEqual([
      ['vm', null, false],
      ['box', 'vm', false],
      ['nest', 'vm', false],
      ['sealed', 'carrier', false],
      ['other', 'carrier', false],
      ['plain', null, false],
      ['carrier', null, true],
    ]);
    expect(view('box').why).toMatch(/asked to run in vm/);
    expect(view('sealed').why).toMatch(
      /^No SELinux is enforced .* carrier, a VM that was made to carry it\.$/,
    );
    expect(view('plain').where.kernel).not.toBe(view('box').where.kernel);
  });

  test.each(['box', 'sealed', 'plain'])('is what it was said to be: %s', async (name) => {
    expect(await screen(name).run('uname -r')).toBe(view(name).where.kernel);
    expect(await screen(name).run('cat /proc/sys/kernel/hostname')).toBe(name);
  });

  test('has the cgroup v2 that this host may lack', async () => {
    expect((await run('other', 'stat -fc %T /sys/fs/cgroup')).stdout).toBe('cgroup2fs\n');
    const build = 'mkdir /sys/fs/cgroup/mine && cat /sys/fs/cgroup/cgroup.controllers';
    expect((await run('other', build)).stdout.split(/\s/)).toEqual(
      expect.arrayContaining(['cpu', 'io', 'memory', 'pids']),
    );
  });

  test('has a label of its own where it needs SELinux', async () => {
    const labels = await Promise.all(
      ['sealed', 'other'].map(async (name) => (await run(name, 'cat /proc/self/attr/current')).stdout),
    );
    const said = labels.map((label) => label.replace(/\0/g, '').trim());
    expect(said).toEqual([view('sealed').label, view('other').label]);
    expect(said[0]).toMatch(/^system_u:system_r:container_t:s0:c\d+,c\d+$/);
    expect(new Set(said.map((label) => label.split('s0:')[1])).size).toBe(2);
    expect(view('box').label).toBeNull();
  });

  test('builds partitions where it may, and only there', async () => {
    const unshare = 'unshare --user --map-root-user --mount --pid --fork true && echo built';
    expect((await run('nest', unshare)).stdout).toBe('built\n');
    expect((await run('box', unshare)).stdout).toBe('');
  });
});

describe('a container in a VM is a machine like any other', () => {
  test('prints 10 MB byte for byte, while another is typed in', { timeout: patiently(240_000) }, async () => {
    const [flood, echoed] = await Promise.all([
      tenMegabytes(screen('box')),
      (async () => {
        for (let turn = 1; turn <= 5; turn++) {
          expect(await screen('nest').run(`echo turn $((${turn} * 2))`, patiently(60_000))).toBe(
            `turn ${turn * 2}`,
          );
        }
        return true;
      })(),
    ]);
    expect(sha256(flood)).toBe(expected);
    expect(echoed).toBe(true);
  });

  test('takes the size of its viewer, and further terminals', async () => {
    const two = learner.terminal(sandbox.id, 'box', await learner.openTerminal(sandbox.id, 'box'));
    await two.attach();
    two.resize(120, 40);
    await expect.poll(() => two.frames).toContainEqual({ type: 'size', columns: 120, rows: 40 });
    expect(await two.run('stty size')).toBe('40 120');
    expect(await screen('box').run('stty size')).toBe('24 80');
    two.type('exit 3\n');
    await expect
      .poll(() => two.frames.at(-1), { timeout: patiently(20_000) })
      .toMatchObject({ type: 'exit', status: 3 });
    two.drop();
  });

  test('runs commands under a time limit', async () => {
    expect(await run('box', 'echo out; echo err >&2; exit 7')).toMatchObject({
      status: 7,
      stdout: 'out\n',
      stderr: 'err\n',
      timedOut: false,
    });
    expect(await run('box', '(setsid sleep 4711 &); sleep 4712', 500)).toMatchObject({ timedOut: true });
    expect((await run('box', 'pgrep -c sleep')).stdout).toBe('0\n');
  });

  test('is measured', async () => {
    const { cookie } = learner;
    const events = await fetch(stack.url + apiPaths.events(sandbox.id), { headers: { cookie } });
    let text = '';
    for await (const chunk of events.body ?? []) {
      text += Buffer.from(chunk).toString();
      if (text.includes('event: stats\n') && text.endsWith('\n\n')) break;
    }
    const { machines } = JSON.parse(/event: stats\ndata: (.*)/.exec(text)?.[1] ?? '{}');
    expect(machines.box.memoryBytes).toBeGreaterThan(100_000);
    expect(machines.box.pids).toBeGreaterThan(0);
    expect(machines.box.hostBytes).toBeNull(); // the host pays for its VM
    expect(machines.vm.hostBytes).toBeGreaterThan(machines.box.memoryBytes);
  });
});

describe.each(['plain', 'other', 'vm'])('files of %s', (name) => {
  const ask = (method: string, path: string, body?: unknown) => learner.ask(method, path, body);
  const file = (path: string) => `${apiPaths.files(sandbox.id, name)}?path=${encodeURIComponent(path)}`;
  const put = (path: string, text: string, mode?: number) =>
    ask('PUT', apiPaths.files(sandbox.id, name), {
      path,
      content: Buffer.from(text).toString('base64'),
      ...(mode !== undefined && { mode }),
    });

  test('are written, read and listed', async () => {
    const text = `${'0123456789abcde\n'.repeat(4_096)}ende`;
    expect(await put('/root/work.sh', text, 0o755)).toEqual({ status: 204, body: null });
    expect((await run(name, 'sha256sum < /root/work.sh; stat -c "%a %U" /root/work.sh')).stdout).toBe(
      `${sha256(Buffer.from(text))}  -\n755 root\n`,
    );
    await run(name, 'echo more >> /root/work.sh; mkdir -p /root/lab; ln -sf /etc/passwd /root/lab/link');
    const { status, body } = await ask('GET', file('/root/work.sh'));
    expect(status).toBe(200);
    const read = fileSchema.parse(body);
    expect(read).toMatchObject({ size: text.length + 5, mode: 0o755, more: false });
    expect(Buffer.from(read.content, 'base64').toString()).toBe(`${text}more\n`);
    const listed = await ask('GET', `${apiPaths.directory(sandbox.id, name)}?path=/root/lab`);
    expect(directorySchema.parse(listed.body)).toMatchObject({
      entries: [{ name: 'link', type: 'link' }],
      more: false,
    });
  });

  test('are its own: links and kernel files reach no further than its programs do', async () => {
    const links =
      'ln -sf ../../../../../etc/debian_version out; mkfifo pipe; echo -n kept > target; ln -sf target last';
    const { stdout } = await run(name, `cd /root; ${links}; cat /etc/debian_version`);
    const up = await ask('GET', file('/root/out'));
    expect(Buffer.from(fileSchema.parse(up.body).content, 'base64').toString()).toBe(stdout);
    expect(await ask('GET', file('/root/pipe'))).toMatchObject({
      status: 400,
      body: { error: { field: 'path' } },
    });
    expect(await ask('GET', file('/root/none'))).toMatchObject({ status: 404 });
    expect(await put('/root/last', 'changed')).toMatchObject({ status: 400 });
    expect((await run(name, 'cat /root/target; ls -A /root | grep -c bulkhead')).stdout).toBe('kept0\n');
    // Nothing can be put in place of a setting of the kernel, whoever asks.
    expect((await put('/proc/sys/kernel/core_pattern', '|/root/work.sh')).status).toBeGreaterThanOrEqual(400);
  });
});

describe('what is refused, in one clear error', () => {
  const vm = { name: 'vm', kind: 'vm' } as const;
  test.each<[string, unknown[], number, string, string, RegExp]>([
    [
      'a need that there is not',
      [{ name: 'a', kind: 'container', needs: ['gpu'] }],
      400,
      'bad_request',
      'machines.0.needs.0',
      /cgroup2/,
    ],
    [
      'a container as a home',
      [
        { name: 'a', kind: 'container' },
        { name: 'b', kind: 'container', in: 'a' },
      ],
      400,
      'bad_request',
      'machines.1.in',
      /a, which is a container/,
    ],
    [
      'a home that is not there',
      [{ name: 'b', kind: 'container', in: 'vm' }],
      400,
      'bad_request',
      'machines.0.in',
      /add one of kind vm/,
    ],
    [
      'SELinux in a VM without',
      [vm, { name: 'b', kind: 'container', in: 'vm', needs: ['selinux'] }],
      422,
      'unmet',
      'machines.1.needs',
      /b needs selinux, but vm/,
    ],
  ])('%s', async (_what, machines, status, code, field, message) => {
    const answer = await learner.ask('POST', apiPaths.sandboxes, { machines } as CreateSandbox);
    expect(answer).toMatchObject({
      status,
      body: { error: { code, field, message: expect.stringMatching(message) } },
    });
  });
});

describe('after a loss', () => {
  test('the server killed: every shell is there, with every byte', {
    timeout: patiently(180_000),
  }, async () => {
    const names = ['box', 'sealed', 'plain'];
    const pids = await Promise.all(names.map((name) => screen(name).run('echo $$')));
    // Without a program for each wait, which an emulated processor would take longer to start than to wait.
    const wait = 'read -rt 0.03 -u 9';
    const lines = `exec 9<> <(:); for i in $(seq 1 120); do echo line-$i; ${wait}; done; echo fi""nished\n`;
    for (const name of names) screen(name).type(lines);
    await screen('box').see(/line-10\r/);
    await stack.killServer();
    await stack.startServer();
    await comeBack();
    for (const name of names) {
      await screen(name).see(/finished/, patiently(60_000));
      expect(screen(name).losses).toBe(0);
      expect(linesIn(screen(name).text)).toEqual(Array.from({ length: 120 }, (_, index) => index + 1));
    }
    expect(await Promise.all(names.map((name) => screen(name).run('echo $$')))).toEqual(pids);
  });

  test('the view is what it was, but for how it was made', async () => {
    const before = sandbox;
    for (const { name } of before.machines) await learner.waitFor(sandbox.id, name, 'running');
    await look();
    const known = (machine: Machine) => {
      const { name, kind, profile, image, state, needs, carrier, where, why, label, limits, hostPid } =
        machine;
      return { name, kind, profile, image, state, needs, carrier, where, why, label, limits, hostPid };
    };
    const sorted = ({ machines }: Sandbox) =>
      machines.map(known).sort((a, b) => a.name.localeCompare(b.name));
    expect(sorted(sandbox)).toEqual(sorted(before));
  });
});

describe('the end of a VM', () => {
  test('is the end of what is in it, and of nothing else', async () => {
    process.kill(view('vm').hostPid ?? 0, 'SIGKILL');
    const state = async () => {
      await look();
      return view('box').state;
    };
    await expect.poll(state, { timeout: patiently(20_000) }).toBe('ended');
    for (const name of ['box', 'nest']) {
      expect(view(name)).toMatchObject({
        state: 'ended',
        reason: expect.stringMatching(/^vm, the VM that it was in/),
      });
      expect(view(name).terminals.every(({ state }) => state === 'exited')).toBe(true);
    }
    expect(view('box').end).toMatchObject({ cause: 'host' });
    expect(view('vm').end).toMatchObject({ cause: 'crash', containers: 2 });
    for (const name of ['plain', 'sealed', 'other', 'carrier']) expect(view(name).state).toBe('running');
    expect(await screen('sealed').run('echo alive')).toBe('alive');
  });

  test('is mended by beginning again: the VM first, then what is to be in it', async () => {
    const restart = (name: string) => learner.ask('POST', apiPaths.restart(sandbox.id, name), {});
    expect(await restart('box')).toMatchObject({
      status: 409,
      body: { error: { message: expect.stringMatching(/restart that first/) } },
    });
    expect((await restart('vm')).status).toBe(200);
    await learner.waitFor(sandbox.id, 'vm', 'running');
    expect(await restart('box'), stack.report()).toMatchObject({ status: 200 });
    sandbox = await learner.waitFor(sandbox.id, 'box', 'running');
    expect((await run('box', 'cat /proc/sys/kernel/hostname')).stdout).toBe('box\n');
    expect(view('nest').state).toBe('ended');
  });
});

describe('at last', () => {
  test('the broker killed: every shell is there still, and commands are run', async () => {
    await stack.killBroker();
    await stack.startBroker();
    expect(await screen('sealed').run('echo alive')).toBe('alive');
    await expect
      .poll(async () => (await run('plain', 'echo again').catch(() => null))?.stdout, {
        timeout: patiently(20_000),
      })
      .toBe('again\n');
  });

  test('the sandbox ended: nothing is left', async () => {
    expect((await learner.end(sandbox.id)).status).toBe(204);
    expect(census(stack.state, stack.cgroup).processes.filter((line) => line.includes('qemu'))).toEqual([]);
  });
});
