// `npm start` as a person meets it: the line it ends with, what it serves, what it leaves, and how it refuses.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { instance } from '../../scripts/services.ts';
import { ROOT } from '../../scripts/setup.ts';
import { census } from './census.ts';

type Outcome = { status: number | null; output: string };

/** Starts `npm start` with these options; `seen` waits for a line, `ended` for its end. */
const start = (...args: string[]) => {
  const child: ChildProcess = spawn('node', [join(ROOT, 'scripts/bootstrap.mjs'), 'start', ...args], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  let output = '';
  const waiting = new Set<() => void>();
  for (const stream of [child.stdout, child.stderr])
    stream?.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      for (const look of waiting) look();
    });
  const ended = new Promise<Outcome>((resolve) =>
    child.once('close', (status) => resolve({ status, output })),
  );
  const seen = (pattern: RegExp): Promise<RegExpMatchArray> =>
    Promise.race([
      new Promise<RegExpMatchArray>((resolve) => {
        const look = () => {
          const match = output.match(pattern);
          if (!match) return;
          waiting.delete(look);
          resolve(match);
        };
        waiting.add(look);
        look();
      }),
      ended.then(() => Promise.reject(new Error(`npm start ended without ${pattern}:\n${output}`))),
    ]);
  // The whole process group, as a terminal does on Ctrl-C.
  const interrupt = () => process.kill(-(child.pid ?? 0), 'SIGINT');
  return { seen, ended, interrupt };
};

const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server: Server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
    });
  });

describe('npm start', () => {
  let state = '';
  beforeAll(() => {
    state = mkdtempSync('/tmp/bulkhead-start-');
    symlinkSync(process.env.BULKHEAD_IMAGES ?? '/var/lib/bulkhead/images', join(state, 'images'));
  });
  afterAll(() => rmSync(state, { recursive: true, force: true }));

  it('serves the site at the address it prints, runs a container, and Ctrl-C leaves nothing', async () => {
    const port = await freePort();
    const began = performance.now();
    const bulkhead = start('--port', String(port), '--state', state, '--accel', 'tcg');
    const [, url = ''] = await bulkhead.seen(/Bulkhead is at (http:\S+)/);
    console.log(
      `npm start with everything built: ${((performance.now() - began) / 1000).toFixed(1)} s to the address`,
    );
    expect(url).toBe(`http://127.0.0.1:${port}`);
    expect(await (await fetch(url)).text()).toContain('Bulkhead');

    const status = await fetch(`${url}/api/status`);
    const cookie = status.headers.getSetCookie()[0]?.split(';')[0] ?? '';
    const created = await fetch(`${url}/api/sandboxes`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', origin: url, cookie },
      body: JSON.stringify({ machines: [{ name: 'box', kind: 'container' }] }),
    });
    expect(created.status).toBe(201);
    const { cgroup } = instance(state);
    expect(census(state, cgroup).namespaces.length).toBeGreaterThan(0);

    bulkhead.interrupt();
    expect((await bulkhead.ended).status).toBe(0);
    expect(census(state, cgroup)).toEqual({ processes: [], mounts: [], cgroups: [], namespaces: [] });
  });

  it('names the port when it is in use, and the next step', async () => {
    const taken = createServer();
    const port = await new Promise<number>((resolve) => {
      taken.listen(0, '127.0.0.1', () => resolve((taken.address() as { port: number }).port));
    });
    const { status, output } = await start('--port', String(port), '--state', state).ended;
    taken.close();
    expect(status).toBe(1);
    expect(output).toContain(`bulkhead: port ${port} is in use at 127.0.0.1;`);
    expect(output.trim().split('\n')).toHaveLength(1);
  });

  it('refuses an option it does not know and names the ones it does', async () => {
    const { status, output } = await start('--prot', '80').ended;
    expect(status).toBe(1);
    expect(output).toMatch(/^bulkhead: unknown option --prot; valid are --port, .*--help$/m);
  });

  it('says what is wrong with a state directory that cannot be made', async () => {
    const { status, output } = await start('--port', String(await freePort()), '--state', '/proc/bulkhead')
      .ended;
    expect(status).toBe(1);
    expect(output).toMatch(/bulkhead: .*\/proc\/bulkhead.*--state/);
  });
});
