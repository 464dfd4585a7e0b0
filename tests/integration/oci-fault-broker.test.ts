// Each system call of the broker while it makes a container fails in turn: the request is refused, nothing is left, and
// the broker goes on.
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { BrokerParams } from '../../sandbox-server/src/protocol/broker.ts';
import { patiently } from '../patience.ts';
import { temporaryFolder } from '../temporary-folder.ts';
import { Control, LIMITS, TestBroker } from './broker.ts';
import { AttachedFault, buildTracer, isAlive, untilUnreached } from './oci-fault.ts';

const images = process.env.BULKHEAD_IMAGES ?? '/var/lib/bulkhead/images';
const able = process.getuid?.() === 0 && existsSync(join(images, 'base/image.json'));
const request: BrokerParams<'container.create'> = {
  machine: 'm',
  image: 'base',
  profile: 'hardened',
  hostname: 'm',
  limits: LIMITS,
  labels: {},
};

describe.skipIf(!able)('a machine whose making fails half-way (needs root and an image)', () => {
  const directory = temporaryFolder('fault');
  let broker: TestBroker;
  let tracer: string;
  let files: number;
  beforeAll(async () => {
    tracer = buildTracer(directory);
    broker = await TestBroker.start();
    await broker.create('first');
    await broker.control.request('machine.delete', { machine: 'first' });
    files = openFiles();
  });
  afterAll(async () => {
    await broker.dispose();
    rmSync(directory, { recursive: true });
  });

  const openFiles = (): number => readdirSync(`/proc/${broker.pid}/fd`).length;
  const groups = (): string[] =>
    readdirSync('/sys/fs/cgroup')
      .map((hierarchy) => join('/sys/fs/cgroup', hierarchy, broker.cgroup))
      .filter(existsSync)
      .flatMap((parent) => readdirSync(parent, { withFileTypes: true }))
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name);

  const leftovers = (processes: readonly number[]): string[] => [
    ...processes.filter(isAlive).map((pid) => `process ${pid}`),
    ...readFileSync('/proc/self/mountinfo', 'utf8')
      .split('\n')
      .filter((line) => line.includes(broker.state)),
    ...readdirSync(join(broker.state, 'run/machines')),
    ...groups(),
    ...(openFiles() <= files ? [] : [`${openFiles()} open files instead of ${files}`]),
  ];

  test.each([
    { process: 0, who: 'the broker itself' },
    { process: 1, who: 'its job' },
    { process: 2, who: 'the process that becomes the runtime' },
  ])(
    '$who: the request is refused and leaves nothing',
    async ({ process }) => {
      await untilUnreached(1 + process, async (call) => {
        const control = await Control.connect(broker.socket);
        await control.request('machine.list', {});
        const fault = await AttachedFault.attach(tracer, broker.pid, { process, call });
        const answer = await control.request('container.create', request).then(
          () => 'created',
          (error: Error) => error.message,
        );

        const { call: failed, left } = await fault.end();
        const where = `${failed}, call ${call}: ${answer}`;
        // An answer that could not be sent is a connection closed; the machine is then in the list.
        const { machines } = await broker.control.request('machine.list', {});
        const made = answer === 'created' || (/closed/.test(answer) && machines.length > 0);
        if (made) await broker.control.request('machine.delete', { machine: 'm' });
        else expect(answer, where).toMatch(/.{10,}/);
        control.close();
        await expect
          .poll(() => leftovers(left), { timeout: patiently(10_000), interval: 2, message: where })
          .toEqual([]);
        expect(await broker.control.request('machine.list', {}), where).toEqual({ machines: [] });
        return { call: failed, left };
      });
      await broker.create('m');
      expect(await broker.shell('m', 'echo hello')).toBe('hello');
      await broker.control.request('machine.delete', { machine: 'm' });
    },
    300_000,
  );
});
