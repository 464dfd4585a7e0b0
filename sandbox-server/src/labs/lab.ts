// A lab as it was loaded: what the server needs of its folder.
import type { CreateSandbox } from '../protocol/api.ts';
import type { LabList, LabMatter } from '../protocol/labs.ts';

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
export function machinesOf({ matter }: Lab, size: { columns: number; rows: number }): CreateSandbox {
  return {
    machines: matter.machines.map(({ files: _, terminal = true, ...machine }) => {
      const needs = [
        ...new Set([...(machine.kind === 'container' ? (matter.needs ?? []) : []), ...(machine.needs ?? [])]),
      ];
      return { ...machine, ...(needs.length > 0 && { needs }), ...(terminal && size) };
    }),
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
