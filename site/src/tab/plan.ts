// Decides about the machines of a sandbox in the tab: what each is made with, and why it runs where it does.
import { explained, hostLacks } from '@bulkhead/sandbox-server/machines/needs';
import { grantedBy, type MachinePlan, sortOf, type Wish } from '@bulkhead/sandbox-server/machines/placement';
import { Problem } from '@bulkhead/sandbox-server/problem';
import type { Probe } from '@bulkhead/sandbox-server/protocol/broker';
import { lackedInTab } from '../components/tab/lacks.ts';
import { containerLimits, PREPARED_NAME } from './prepared.ts';

/** What this tab is, as far as plans depend on it. */
export interface TabGround {
  release: string;
  memoryBytes: number;
  probe: Probe | null;
  /** Why there is no second emulator here; null where there may be one. */
  noSecond: string | null;
}

const whyHere =
  'An emulator in this page runs the kernel that it shares: nothing of it is on a server, and it ends with this tab.';
const whySecond =
  'A second emulator in this page is a computer of its own, with a kernel of its own; it was copied from the same saved memory.';

/** Decides about the machines of a sandbox. Throws Problem. */
export function planInTab(wanted: readonly Wish[], ground: TabGround): MachinePlan[] {
  const lacked = lackedInTab(wanted, ground.noSecond);
  if (lacked) throw new Problem('unsupported', lacked);
  return wanted.map((wish, index) => planOne(wish, `machines.${index}`, ground));
}

function planOne(wish: Wish, path: string, { release, memoryBytes, probe }: TabGround): MachinePlan {
  const { name, columns, rows } = wish;
  const sort = sortOf(wish, path);
  const terminal = columns && rows ? { columns, rows } : null;
  const where = { depth: 'tab', host: 'this tab', vm: null, kernel: release } as const;
  const same = { name, ...sort, terminal };
  const image = sort.kind === 'vm' ? 'vm' : 'base';
  const limits = { ...containerLimits, ...wish.limits };
  if (wish.image !== undefined && wish.image !== image)
    throw new Problem('unsupported', `The image ${wish.image} is not in this tab: there is ${image}.`, {
      field: `${path}.image`,
    });
  if (sort.kind === 'vm') {
    return {
      ...same,
      start: 'template',
      image,
      limits: { memory_bytes: memoryBytes, cpu_millis: 1_000, pids: 0, disk_bytes: 0 },
      where: { ...where, kernel: null, accel: 'tcg' },
      why: whySecond,
    };
  }
  // What a learner may break, or load, here is only a kernel in the learner's own tab.
  const lacking = probe && sort.needs.find((need) => need === 'selinux' && hostLacks(need, probe) !== null);
  if (lacking)
    throw new Problem('unmet', `The kernel in this tab has no ${explained(lacking)}.`, {
      field: `${path}.needs`,
    });
  return {
    ...same,
    start: null,
    image,
    limits: probe ? grantedBy(probe, limits) : limits,
    where: { ...where, accel: null },
    why: whyHere,
  };
}

/** Whether a container that the image has ready can stand in for this one. */
export function isAsPrepared({ name, limits, terminal }: MachinePlan): boolean {
  const same = Object.entries(containerLimits).every(
    ([key, value]) => limits[key as keyof typeof limits] === value,
  );
  return name === PREPARED_NAME && terminal !== null && same;
}
