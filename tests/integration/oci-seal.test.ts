// CVE-2019-5736: the runtime's own file, while a process in a container still is the runtime. `create` stops just there.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Config, runtime, Workshop } from './bundle.ts';

const able = process.getuid?.() === 0 && existsSync(runtime);

/** access(2) for writing by this user, of the file that process `pid` runs. */
const mayWrite = (pid: number, uid: number): boolean =>
  spawnSync('setpriv', [
    ...[`--reuid=${uid}`, `--regid=${uid}`, '--clear-groups'],
    ...(uid === 0 ? [] : ['--inh-caps=-all', '--bounding-set=-all']),
    ...['test', '-w', uid === 0 ? `/proc/${pid}/exe` : runtime],
  ]).status === 0;

describe.skipIf(!able)('the runtime’s own file (needs root and native/build)', () => {
  let shop: Workshop;
  beforeAll(() => {
    shop = new Workshop();
  });
  afterAll(() => shop.end());

  /** Makes the container and returns its waiting process, which still is the runtime. */
  const create = (id: string, change?: (config: Config) => void): number => {
    shop.detach(id, shop.bundle('true', change), ['create']);
    return JSON.parse(shop.run(['state', id]).stdout).pid;
  };

  test('is on a read-only mount where the container’s root is the host’s', () => {
    const pid = create('host', (config) => {
      config.linux.namespaces = config.linux.namespaces.filter(({ type }) => type !== 'user');
      delete config.linux.uidMappings;
      delete config.linux.gidMappings;
    });
    expect(mayWrite(pid, 0)).toBe(false);
  });

  test('is on a read-only mount where the user namespace holds the host’s root', () => {
    const pid = create('mapped', (config) => {
      const map = [{ containerID: 0, hostID: 0, size: 65536 }];
      Object.assign(config.linux, { uidMappings: map, gidMappings: map });
    });
    expect(mayWrite(pid, 0)).toBe(false);
  });

  test('needs no such mount where nobody in the container is its owner, for whom alone it is', () => {
    const pid = create('nobody');
    expect(mayWrite(pid, 0)).toBe(true);
    expect(mayWrite(pid, 100000)).toBe(false);
  });

  test('is sealed by an exec of itself that changes nothing else: paths, fds and the trace', () => {
    const bundle = shop.bundle('cat <&3; pwd', (config) => {
      config.linux.namespaces = config.linux.namespaces.filter(({ type }) => type !== 'user');
      delete config.linux.uidMappings;
      delete config.linux.gidMappings;
    });
    const { stdout, stderr } = shop.shell(
      `cd ${shop.directory} && echo kept >kept &&
       ${runtime} --root state --trace-fd 9 run --preserve-fds 1 --bundle ${bundle.split('/').at(-1)} again 3<kept 9>trace; cat trace`,
    );
    expect(stderr).toBe('');
    expect(stdout).toMatch(/^kept\n\/\n\{"step":"config.json".*\n/);
    expect(stdout.match(/"step":"config.json"/g)).toHaveLength(1);
  });

  test('leaves a log open that the caller named by its descriptor', () => {
    shop.detach('logged', shop.bundle('sleep 1000'));
    const { stdout } = shop.shell(
      `${runtime} --root ${shop.state} --log /proc/self/fd/9 --log-format json exec logged no-such-program 9>${shop.directory}/log; cat ${shop.directory}/log`,
    );
    expect(JSON.parse(stdout)).toMatchObject({
      level: 'error',
      msg: expect.stringContaining('no-such-program'),
    });
  });
});
