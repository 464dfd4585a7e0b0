// What the broker is to remember with a machine, so that a server started again finds it and knows what it was for. What is
// in a VM is noted with the VM, on the host: what a guest says about itself is its learner's word.
import { machineNameSchema, type Need } from '../protocol/api.ts';
import { imageSchema, machineIdSchema, profileSchema } from '../protocol/broker.ts';
import { parseNeeds } from './needs.ts';
import type { MachinePlan } from './placement.ts';

type Labels = Record<string, string>;

/** A container that runs, or ran, in a VM. */
export interface Inhabitant {
  id: string;
  name: string;
  profile: 'hardened' | 'nested';
  needs: Need[];
  /** Absent in notes of an earlier version. */
  image?: string | undefined;
  limits?: MachinePlan['limits'] | undefined;
}

/** What a machine's own labels say. */
export interface Note {
  name: string;
  needs: Need[];
  carrier: boolean;
  /** How a VM began; null for a container. */
  start: MachinePlan['start'];
  inhabitants: Inhabitant[];
}

const INHABITANT = 'in.';
/** Of an inhabitant: what it was made from. */
const IMAGE = 'image=';
const LIMITS = 'limits=';

/** The labels of a machine; `inside`: the plans of what is to run in it, with their ids. */
export function labelsOf(
  sandbox: { id: string; owner: string },
  plan: MachinePlan,
  inside: readonly { id: string; plan: MachinePlan }[],
): Labels {
  const labels: Labels = { sandbox: sandbox.id, name: plan.name, owner: sandbox.owner };
  if (plan.needs.length > 0) labels.needs = plan.needs.join(' ');
  if (plan.carrier) labels.carrier = 'yes';
  if (plan.start) labels.start = plan.start;
  for (const { id, plan: other } of inside) {
    const { memory_bytes, cpu_millis, pids, disk_bytes } = other.limits;
    const made = [IMAGE + other.image, LIMITS + [memory_bytes, cpu_millis, pids, disk_bytes].join()];
    labels[INHABITANT + other.name] = [id, other.profile, ...other.needs, ...made].join(' ');
  }
  return labels;
}

/** Reads them again; null when no server made a machine under such a name. */
export function readLabels(labels: Labels): Note | null {
  const name = machineNameSchema.safeParse(labels.name);
  if (!name.success) return null;
  return {
    name: name.data,
    needs: parseNeeds(labels.needs ?? ''),
    carrier: labels.carrier === 'yes',
    start: labels.start === 'boot' || labels.start === 'template' ? labels.start : null,
    inhabitants: Object.entries(labels).flatMap(([key, value]) => readInhabitant(key, value)),
  };
}

function readInhabitant(key: string, value: string): Inhabitant[] {
  if (!key.startsWith(INHABITANT)) return [];
  const [id, profile, ...words] = value.split(' ');
  const name = machineNameSchema.safeParse(key.slice(INHABITANT.length));
  const known = machineIdSchema.safeParse(id);
  const allowed = profileSchema.safeParse(profile);
  if (!name.success || !known.success || !allowed.success) return [];
  const noted = (what: string) => words.find((word) => word.startsWith(what))?.slice(what.length);
  return [
    {
      ...{ id: known.data, name: name.data, profile: allowed.data, needs: parseNeeds(words.join(' ')) },
      image: imageSchema.safeParse(noted(IMAGE)).data,
      limits: readLimits(noted(LIMITS) ?? ''),
    },
  ];
}

function readLimits(text: string): MachinePlan['limits'] | undefined {
  if (!/^\d+(,\d+){3}$/.test(text)) return undefined;
  const [memory_bytes = 0, cpu_millis = 0, pids = 0, disk_bytes = 0] = text.split(',').map(Number);
  return { memory_bytes, cpu_millis, pids, disk_bytes };
}
