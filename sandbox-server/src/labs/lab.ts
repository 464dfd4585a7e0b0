// A lab as it was loaded: what the server needs of its folder.
import type { MachinePlan, Wanted } from '../machines/placement.ts';
import type { LabList, LabMatter, LabSize } from '../protocol/labs.ts';

const MIB = 1_048_576;

export interface Step {
  id: string;
  title: string;
  /** The machine that its check looks at, and that its solution is run in. */
  machine: string;
  /** Whether it is checked again when something happens. */
  watch: boolean;
  check: string;
  solve: string;
}

export interface LabFile {
  /** Where it is put, absolute. */
  path: string;
  mode: 0o644 | 0o755;
  /** In base64, as the broker takes it. */
  content: string;
}

export interface Lab {
  slug: string;
  matter: LabMatter;
  steps: readonly Step[];
  files: readonly LabFile[];
}

/** What is to be made for it; first terminals are of this size. */
export function machinesOf({ matter }: Lab, terminals: { columns: number; rows: number }): Wanted {
  return {
    machines: matter.machines.map(({ files: _, terminal = true, size, ...machine }) => {
      const needs = [
        ...new Set([...(machine.kind === 'container' ? (matter.needs ?? []) : []), ...(machine.needs ?? [])]),
      ];
      const limits = size && { limits: limitsOf(size) };
      return { ...machine, ...limits, ...(needs.length > 0 && { needs }), ...(terminal && terminals) };
    }),
  };
}

/** In the broker's units, what is stated of it. */
function limitsOf({ memory, processor, processes, disk }: LabSize): Partial<MachinePlan['limits']> {
  return {
    ...(memory !== undefined && { memory_bytes: memory * MIB }),
    ...(processor !== undefined && { cpu_millis: processor * 10 }),
    ...(processes !== undefined && { pids: processes }),
    ...(disk !== undefined && { disk_bytes: disk * MIB }),
  };
}

/** The machines in which its files are put. */
export function machinesWithFiles({ matter, files }: Lab): string[] {
  if (files.length === 0) return [];
  return matter.machines.filter((machine, index) => machine.files ?? index === 0).map(({ name }) => name);
}

/** As it is listed for pages. */
export function describeLab({ slug, matter, steps }: Lab): LabList['labs'][number] {
  return {
    lab: slug,
    title: matter.title,
    summary: matter.summary,
    machines: matter.machines.map(({ name, kind }) => ({ name, kind })),
    steps: steps.map(({ id, title, machine, watch }) => ({ step: id, title, machine, watch })),
  };
}
