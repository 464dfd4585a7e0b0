import { describe, expect, test } from 'vitest';
import { placeSandbox } from '../machines/placement.ts';
import type { CreateSandbox } from '../protocol/api.ts';
import type { Probe } from '../protocol/broker.ts';
import { defaultPolicy, type Policy } from '../sandboxes/policy.ts';
import { probe as scripted } from '../testing/scripted-broker.ts';
import {
  addTo,
  availableOf,
  type Cost,
  costOf,
  mostOf,
  neverFits,
  noCost,
  refusal,
  timesLeft,
} from './books.ts';

const GIB = 1_073_741_824;
/** The machine that the budgets are for: two cores and 24 GB. */
const classroom: Probe = {
  ...scripted,
  capacity: {
    cpus: 2,
    memory_bytes: 24 * GIB,
    memory_available_bytes: 22 * GIB,
    pids: 32_768,
    pids_used: 400,
    disk_bytes: 40 * GIB,
    disk_available_bytes: 20 * GIB,
  },
  maxima: { ...scripted.maxima, machines: 750 },
};
const pair: CreateSandbox['machines'] = [
  { name: 'box', kind: 'container' },
  { name: 'vm', kind: 'vm', start: 'template' },
];
const cost = (machines: CreateSandbox['machines'] = pair) => costOf(placeSandbox(machines, classroom));
const booksOf = (probe: Probe, given: Cost = noCost(), policy: Policy = defaultPolicy) => ({
  most: mostOf(probe, policy),
  available: availableOf(probe, policy),
  given,
});
const short = (capacity: Partial<Probe['capacity']>): Probe => ({
  ...classroom,
  capacity: { ...classroom.capacity, ...capacity },
});

describe('what a host may give', () => {
  test('two cores and 24 GB take a container and a VM for each of 200 learners', () => {
    const books = booksOf(classroom);
    for (let learner = 0; learner < 200; learner++) {
      expect(refusal(books, cost()), `learner ${learner}`).toBeNull();
      addTo(books.given, cost());
    }
  });

  test('and 500 containers, with a shell each', () => {
    expect(timesLeft(booksOf(classroom), cost([{ name: 'box', kind: 'container' }]))).toBeGreaterThanOrEqual(
      500,
    );
  });

  test('no more is promised than the operator allows, however little is used', () => {
    const once = { ...defaultPolicy, overcommit: 1 };
    const books = booksOf(classroom, noCost(), once);
    const fit = timesLeft(books, cost());
    expect(fit).toBe(Math.floor((24 * GIB - once.reserveBytes) / cost().promised.memory));
    addTo(books.given, cost(), fit);
    expect(refusal(books, cost())).toMatch(/MiB of memory that this host may promise are promised already/);
  });

  test.each([
    ['memory', short({ memory_available_bytes: 0.76 * GIB }), /11 MiB of memory left|MiB of memory left/],
    ['disk', short({ disk_available_bytes: 0.7 * GIB }), /0 MiB of disk left/],
    ['pids', short({ pids_used: 28_670 }), /no process numbers left/],
  ])('what something else on the host uses of its %s is not given', (_what, probe, why) => {
    expect(refusal(booksOf(probe), cost())).toMatch(why);
  });

  test('what was made a moment ago is counted before any measure shows it', () => {
    const probe = short({ memory_available_bytes: defaultPolicy.reserveBytes + cost().taken.memory });
    const books = booksOf(probe);
    expect(refusal(books, cost())).toBeNull();
    addTo(books.given, cost());
    expect(refusal(books, cost())).toMatch(/too little for another/);
  });

  test('a VM that carries containers counts, what is in it does not', () => {
    const inVm: CreateSandbox['machines'] = [
      { name: 'vm', kind: 'vm', start: 'template' },
      { name: 'a', kind: 'container', in: 'vm' },
      { name: 'b', kind: 'container', in: 'vm' },
    ];
    expect(cost(inVm)).toEqual(cost([{ name: 'vm', kind: 'vm', start: 'template' }]));
    const carried = cost([{ name: 'box', kind: 'container', needs: ['selinux'] }]);
    expect(carried.promised).toMatchObject({ machines: 1, vms: 1 });
  });

  test('a broker that says nothing of pids and disk is believed about the rest', () => {
    expect(refusal(booksOf(scripted), cost())).toBeNull();
    expect(timesLeft(booksOf(scripted), cost())).toBe(4); // eight machines
  });
});

describe('what never fits', () => {
  test.each([
    [
      'more machines',
      { ...classroom, maxima: { ...classroom.maxima, machines: 1 } },
      /2 machines, where 1 may run/,
    ],
    ['more memory', short({ memory_bytes: 0.8 * GIB }), /MiB of memory, where \d+ MiB may be promised/],
  ])('%s than the host has', (_what, probe, why) => {
    expect(neverFits(mostOf(probe, defaultPolicy), cost())).toMatch(why);
  });

  test('is not what only has to wait', () => {
    const busy = short({ memory_available_bytes: 0 });
    expect(neverFits(mostOf(busy, defaultPolicy), cost())).toBeNull();
  });
});
