// A machine as the API shows it: of what was asked for, of what a broker found, and of how it ended.
import type { Machine, MachineEnd } from '../protocol/api.ts';
import type { MachineRecord } from '../protocol/broker.ts';
import type { Note } from './labels.ts';
import type { MachinePlan } from './placement.ts';

/** Why a machine stands still that was asked to. */
export const FROZEN = 'It is frozen: it goes on where it was when it is thawed.';

/** What a machine was made from, as far as that shows. */
export function planOfView(view: Machine, start: MachinePlan['start']): MachinePlan {
  const { name, kind, profile, image, needs, carrier, where, why, limits } = view;
  const { memoryBytes, cpuMillis, pids, diskBytes } = limits;
  return {
    ...{ name, kind, profile, image, needs, carrier, where, why, start, terminal: null },
    limits: {
      memory_bytes: memoryBytes,
      cpu_millis: cpuMillis,
      pids: pids ?? 0,
      disk_bytes: diskBytes ?? 0,
    },
  };
}

/** Why a machine ended, with what went along. */
export function reasonOfEnd(reason: string, { cause, containers }: MachineEnd): string {
  if (containers === 0) return reason;
  const lost = `${containers} ${containers === 1 ? 'container' : 'containers'} went with it`;
  const panicked = 'kernel panicked';
  // What it panicked of comes last, for it may be long.
  return cause === 'panic' && reason.includes(panicked)
    ? reason.replace(panicked, `${panicked}, ${lost}`)
    : `${reason.replace(/\.$/, '')}; ${lost}`;
}

/** How a machine ended that had done so before this server began. */
export function endOfRecord({ state, cause = 'lost', console = [] }: MachineRecord): MachineEnd | null {
  return state === 'exited' ? { cause, at: Date.now(), containers: 0, console } : null;
}

/** The view of a machine that is about to be made. */
export function viewOfPlan(plan: MachinePlan): Machine {
  return {
    name: plan.name,
    kind: plan.kind,
    profile: plan.profile,
    image: plan.image,
    state: 'starting',
    reason: null,
    end: null,
    needs: plan.needs,
    carrier: plan.carrier,
    where: plan.where,
    why: plan.why,
    label: null,
    limits: limitsOf(plan.kind, plan.limits),
    hostPid: null,
    createdAt: Date.now(),
    facts: null,
    measures: null,
    terminals: [],
  };
}

/** The view of a machine that was found running. */
export function viewOfRecord(
  record: MachineRecord,
  note: Pick<Note, 'name' | 'needs' | 'carrier'>,
  place: Pick<MachinePlan, 'where' | 'why'>,
): Machine {
  return {
    name: note.name,
    kind: record.kind,
    profile: record.profile ?? null,
    image: record.image,
    state: stateOfRecord(record),
    reason: record.frozen ? FROZEN : record.exit,
    end: endOfRecord(record),
    needs: note.needs,
    carrier: note.carrier,
    ...place,
    label: record.label ?? null,
    limits: limitsOf(record.kind, record.limits),
    hostPid: record.pid,
    createdAt: record.created_ms,
    facts: null,
    measures: null,
    terminals: record.terminals,
  };
}

function stateOfRecord({ state, frozen, kind }: MachineRecord): Machine['state'] {
  if (state === 'exited') return 'ended';
  if (frozen) return 'frozen';
  return kind === 'vm' ? 'booting' : 'running';
}

/** A broker's limits as the API shows them. */
export function limitsOf(kind: Machine['kind'], limits: MachineRecord['limits']): Machine['limits'] {
  const container = kind === 'container';
  return {
    memoryBytes: limits.memory_bytes ?? 0,
    cpuMillis: limits.cpu_millis ?? 0,
    pids: container ? (limits.pids ?? null) : null,
    diskBytes: container ? (limits.disk_bytes ?? null) : null,
  };
}
