import { describe, expect, test } from 'vitest';
import type { Probe } from '../protocol/broker.ts';
import { probe } from '../testing/scripted-broker.ts';
import { placeInhabitant, placeSandbox, type Wish } from './placement.ts';

/** cgroup v1, no SELinux, VMs by emulation: the plainest host there is. */
const plain: Probe = { ...probe, cgroup: { version: 1, controllers: ['cpu', 'memory', 'pids'] } };
/** Has everything that a container may be given on a host. */
const rich: Probe = {
  ...probe,
  cgroup: { version: 2, controllers: ['cpuset', 'cpu', 'io', 'memory', 'pids'] },
  selinux: 'enforcing',
};
const careful: Probe = { ...rich, nesting: 'vm' };
const without: Probe = { ...plain, vm: { accel: null, machine: null, reason: 'QEMU is not installed.' } };

const box = (more: Partial<Wish> = {}): Wish => ({ name: 'box', kind: 'container', ...more });
/** Name of each machine and of the VM that it is in. */
const places = (wanted: Wish[], host: Probe) =>
  placeSandbox(wanted, host).map(({ name, where }) => (where.vm ? `${name} in ${where.vm}` : name));

describe('where a container goes', () => {
  test.each<[string, Probe, Partial<Wish>, string[]]>([
    ['with no needs', plain, {}, ['box']],
    ['that the host can give all', rich, { needs: ['cgroup2', 'selinux', 'nested'] }, ['box']],
    ['with a need that the host cannot meet', plain, { needs: ['cgroup2'] }, ['box in carrier', 'carrier']],
    ['of which one need is not met', rich, { needs: ['cgroup2', 'panic'] }, ['box in carrier', 'carrier']],
    ['that builds partitions, where the host allows it', plain, { needs: ['nested'] }, ['box']],
    [
      'that builds partitions, where it does not',
      careful,
      { needs: ['nested'] },
      ['box in carrier', 'carrier'],
    ],
    [
      'of the nested profile, where it does not',
      careful,
      { profile: 'nested' },
      ['box in carrier', 'carrier'],
    ],
    ['that is never the host’s', rich, { needs: ['modules'] }, ['box in carrier', 'carrier']],
  ])('%s', (_what, host, wish, expected) => {
    expect(places([box(wish)], host)).toEqual(expected);
  });

  test('into the VM that it names, though the host would do', () => {
    const vm: Wish = { name: 'ship', kind: 'vm' };
    expect(places([box({ in: 'ship' }), vm], rich)).toEqual(['box in ship', 'ship']);
  });

  test('cgroup v2 without all controllers is not what was asked for', () => {
    const half: Probe = { ...rich, cgroup: { version: 2, controllers: ['cpu', 'memory', 'pids'] } };
    const [placed] = placeSandbox([box({ needs: ['cgroup2'] })], half);
    expect(placed?.why).toMatch(/^This host's cgroup v2 has no io controller; .*carrier/);
  });

  test('it is told why, in a sentence', () => {
    const why = (wish: Partial<Wish>, host: Probe) => placeSandbox([box(wish)], host)[0]?.why;
    expect(why({ needs: ['cgroup2'] }, plain)).toBe(
      'This host has cgroup v1; what it needs is in the kernel of carrier, a VM that was made to carry it.',
    );
    expect(why({ needs: ['cgroup2', 'selinux'] }, plain)).toMatch(
      /^This host has cgroup v1 and no SELinux is enforced on this host; /,
    );
    expect(why({ needs: ['cgroup2'] }, rich)).toBe(
      "A container shares its host's kernel, and this host has the cgroup2 that it needs.",
    );
    expect(why({}, rich)).toBe("A container shares its host's kernel, so it runs on the host itself.");
  });

  test('nested among its needs is the nested profile', () => {
    expect(placeSandbox([box({ needs: ['nested'] })], plain)[0]).toMatchObject({ profile: 'nested' });
  });

  test('in a VM it may have a part of what the VM has', () => {
    const [placed, carrier] = placeSandbox([box({ needs: ['cgroup2'] })], plain);
    expect(placed?.limits.memory_bytes).toBeLessThan((carrier?.limits.memory_bytes ?? 0) / 2);
  });
});

describe('how large a machine is', () => {
  const MIB = 1_048_576;

  test('is as was asked for, as far as the host grants it, and the rest as usual', () => {
    const [placed] = placeSandbox([box({ limits: { memory_bytes: 64 * MIB, pids: 10_000 } })], plain);
    const usual = placeSandbox([box()], plain)[0]?.limits;
    expect(placed?.limits).toEqual({ ...usual, memory_bytes: 64 * MIB, pids: plain.maxima.pids });
  });

  test('its carrier has room for it', () => {
    const wish = { needs: ['cgroup2' as const], limits: { memory_bytes: 160 * MIB } };
    const [placed, carrier] = placeSandbox(
      [box(wish), box({ ...wish, name: 'two', limits: {} })],
      plain,
    ).filter(({ name }) => name !== 'two');
    expect(placed?.limits.memory_bytes).toBe(160 * MIB);
    expect(carrier?.limits.memory_bytes).toBe(480 * MIB);
  });
});

describe('VMs that carry containers', () => {
  test('one for those that need the same kernel, begun as a copy', () => {
    const wanted = [
      box({ needs: ['cgroup2'] }),
      box({ name: 'nest', needs: ['nested', 'cgroup2'] }),
      box({ name: 'plain' }),
    ];
    expect(places(wanted, plain)).toEqual(['box in carrier', 'nest in carrier', 'plain', 'carrier']);
    expect(placeSandbox(wanted, plain).at(-1)).toMatchObject({
      kind: 'vm',
      start: 'template',
      carrier: true,
      needs: ['cgroup2', 'nested'],
      terminal: null,
    });
  });

  test('another where a crash is the lesson, and another with SELinux', () => {
    const wanted = [
      box({ needs: ['cgroup2'] }),
      box({ name: 'victim', needs: ['panic'] }),
      box({ name: 'other', needs: ['panic', 'cgroup2'] }),
      box({ name: 'sealed', needs: ['selinux'] }),
    ];
    expect(places(wanted, plain)).toEqual([
      'box in carrier',
      'victim in carrier-2',
      'other in carrier-2',
      'sealed in carrier-3',
      'carrier',
      'carrier-2',
      'carrier-3',
    ]);
  });

  test('under a name that nobody asked for', () => {
    const wanted = [box({ name: 'carrier' }), box({ needs: ['cgroup2'] })];
    expect(places(wanted, plain)).toEqual(['carrier', 'box in carrier-2', 'carrier-2']);
  });
});

test('what a new server makes of its notes is what the old one planned', () => {
  for (const wanted of [
    [box({ needs: ['cgroup2', 'nested'] })],
    [{ name: 'ship', kind: 'vm' } as const, box({ in: 'ship', limits: { disk_bytes: 1_048_576 } })],
  ]) {
    const plans = placeSandbox(wanted, plain);
    const made = plans.find(({ name }) => name === 'box');
    const home = plans.find(({ name }) => name === made?.where.vm);
    if (!made?.profile || !home) throw new Error('it is in no VM');
    expect(placeInhabitant({ ...made, profile: made.profile }, home, plain)).toEqual(made);
  }
});

describe('what is refused, with its field', () => {
  const vm: Wish = { name: 'vm', kind: 'vm' };
  test.each<[string, Wish[], Probe, string, string, RegExp]>([
    [
      'a need that nobody here can meet',
      [box({ needs: ['cgroup2'] })],
      without,
      'unmet',
      'machines.0.needs',
      /^box needs cgroup2 \(control groups.*cgroup v1.*QEMU is not installed\. Let the operator/,
    ],
    [
      'a need without a VM image',
      [box({ needs: ['panic'] })],
      { ...plain, images: [{ name: 'base', kind: 'container', digest: '' }] },
      'unmet',
      'machines.0.needs',
      /npm start builds it/,
    ],
    [
      'SELinux in a VM without',
      [vm, box({ in: 'vm', needs: ['selinux'] })],
      plain,
      'unmet',
      'machines.1.needs',
      /give vm needs: \["selinux"\]/,
    ],
    [
      'a VM that is not there',
      [box({ in: 'vm' })],
      plain,
      'bad_request',
      'machines.0.in',
      /no machine of that name: add one of kind vm/,
    ],
    [
      'a container as a VM',
      [box(), box({ name: 'two', in: 'box' })],
      plain,
      'bad_request',
      'machines.1.in',
      /box, which is a container/,
    ],
    ['itself as a VM', [box({ in: 'box' })], plain, 'bad_request', 'machines.0.in', /which is a container/],
    [
      'a VM in a VM',
      [vm, { ...vm, name: 'two', in: 'vm' }],
      plain,
      'bad_request',
      'machines.1.in',
      /run on the host itself/,
    ],
    [
      'a hardened container that needs nested',
      [box({ profile: 'hardened', needs: ['nested'] })],
      plain,
      'bad_request',
      'machines.0.profile',
      /leave out one/,
    ],
    [
      'an image that is not there',
      [box(), box({ name: 'two', image: 'vm' })],
      plain,
      'unsupported',
      'machines.1.image',
      /^two starts from the image vm, which this host has not: there is base\.$/,
    ],
    ['two of a name', [box(), box()], plain, 'bad_request', 'machines.1.name', /names differ/],
  ])('%s', (_what, wanted, host, code, field, message) => {
    const problem = (() => {
      try {
        return placeSandbox(wanted, host);
      } catch (error) {
        return error;
      }
    })();
    expect(problem).toMatchObject({ code, field, message: expect.stringMatching(message) });
  });

  test('SELinux in a VM that is made with it is not', () => {
    const wanted: Wish[] = [{ ...vm, needs: ['selinux'] }, box({ in: 'vm', needs: ['selinux'] })];
    expect(places(wanted, plain)).toEqual(['vm', 'box in vm']);
  });
});
