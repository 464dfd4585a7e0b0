// What befell a machine, told from the counts of kernels: at once the first time, and summed up while it goes on.
import type { MachineStats, Notice } from '../protocol/api.ts';

const EVERY_MS = 10_000;
/** A program that computes is throttled all the time: that is what its limit is for. */
const THROTTLED_EVERY_MS = 30_000;
const MIB = 1_048_576;

/** Some counts that only grow, and how much they have grown since it was last told. */
class Growth<K extends string> {
  readonly #everyMs: number;
  #told: Record<K, number> | null;
  #toldAt = Number.NEGATIVE_INFINITY;

  /** `first`: what the counts were when nothing had befallen it; null when that is not known, as of a machine that was
   * found running. */
  constructor(everyMs: number, first: Record<K, number> | null) {
    this.#everyMs = everyMs;
    this.#told = first;
  }

  /** What is to be told now: how much each has grown, when `key` has. Null: nothing is. */
  look(counts: Record<K, number> | null, key: K, now: number): Record<K, number> | null {
    if (!counts) return null;
    const told = this.#told;
    this.#told ??= counts;
    if (!told || now - this.#toldAt < this.#everyMs || counts[key] === told[key]) return null;
    this.#told = counts;
    this.#toldAt = now;
    // Less than there was: of a group that was made anew behind the back of whoever looks.
    if (counts[key] < told[key]) return null;
    const grown = { ...counts };
    for (const name of Object.keys(counts) as K[]) grown[name] -= told[name];
    return grown;
  }
}

/** Looks at the figures of one machine, again and again. */
export class NoticeWatch {
  readonly #name: string;
  readonly #oom: Growth<'kills'>;
  readonly #inside: Growth<'kills'>;
  readonly #pids: Growth<'refusals'>;
  readonly #throttling: Growth<'periods' | 'throttledPeriods' | 'throttledMs'>;

  /** `name`: the machine's. `isNew`: whether it has just been made, so that whatever was counted befell it. */
  constructor(name: string, isNew: boolean) {
    this.#name = name;
    this.#oom = new Growth(EVERY_MS, isNew ? { kills: 0 } : null);
    this.#inside = new Growth(EVERY_MS, null); // a copy of a template begins with the counts of that
    this.#pids = new Growth(EVERY_MS, isNew ? { refusals: 0 } : null);
    const none = { periods: 0, throttledPeriods: 0, throttledMs: 0 };
    this.#throttling = new Growth(THROTTLED_EVERY_MS, isNew ? none : null);
  }

  /** What is to be told of these figures. `kernel`: whether the machine has a kernel of its own, as a VM has. */
  look(stats: MachineStats, kernel: boolean, now: number): Notice[] {
    const notices = [this.#oomOf(stats, now), this.#pidsOf(stats, now), this.#throttlingOf(stats, now)];
    if (kernel) notices.push(this.#insideOf(stats, now));
    return notices.filter((notice) => notice !== null);
  }

  #oomOf({ oomKills, memoryLimitBytes }: MachineStats, at: number): Notice | null {
    const grown = this.#oom.look(oomKills === null ? null : { kills: oomKills }, 'kills', at);
    if (!grown) return null;
    const limit = memoryLimitBytes === null ? '' : `: it may have ${Math.round(memoryLimitBytes / MIB)} MiB`;
    const text = `The kernel ended ${things(grown.kills, 'process')} in ${this.#name} because memory was full${limit}.`;
    return { at, kind: 'oom', by: 'host', count: grown.kills, text };
  }

  #insideOf({ inside }: MachineStats, at: number): Notice | null {
    const kills = inside?.oomKills ?? null;
    const grown = this.#inside.look(kills === null ? null : { kills }, 'kills', at);
    if (!grown) return null;
    const text = `The kernel of ${this.#name} ended ${things(grown.kills, 'process')} because its memory was full.`;
    return { at, kind: 'oom', by: 'inside', count: grown.kills, text };
  }

  #pidsOf({ pidsRefusals, pidsLimit }: MachineStats, at: number): Notice | null {
    const counts = pidsRefusals === null ? null : { refusals: pidsRefusals };
    const grown = this.#pids.look(counts, 'refusals', at);
    if (!grown) return null;
    const limit = pidsLimit === null ? '' : `: it may have ${pidsLimit}`;
    const what = things(grown.refusals, 'new process');
    const text = `The kernel refused ${this.#name} ${what}${limit}.`;
    return { at, kind: 'pids', by: 'host', count: grown.refusals, text };
  }

  #throttlingOf({ throttling }: MachineStats, at: number): Notice | null {
    const grown = this.#throttling.look(throttling, 'throttledPeriods', at);
    if (!grown) return null;
    const { periods, throttledPeriods } = grown;
    const share = `${throttledPeriods} of ${things(periods, 'period')}`;
    const text = `${this.#name} wants more CPU time than it may have: the kernel held it back in ${share}.`;
    return { at, kind: 'throttled', by: 'host', count: throttledPeriods, text };
  }
}

function things(count: number, what: string): string {
  if (count === 1) return `1 ${what}`;
  return `${count} ${what}${what.endsWith('s') ? 'es' : 's'}`;
}
