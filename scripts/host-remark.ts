// What `bulkhead probe` would have otherwise on this host, in a few words for whoever runs `npm start`.
import { join } from 'node:path';
import { run } from './privilege.ts';
import { PROGRAMS } from './setup.ts';

/** The part of the probe's document (docs/runtime.md, Probe) that a remark is made of. */
export type ProbeDocument = {
  readonly findings: readonly {
    readonly name: string;
    readonly state: 'good' | 'note' | 'weak' | 'missing';
    readonly remedy: string | null;
  }[];
};

/** Lines to print; none where all is well. What is missing is told in full: containers cannot run without it. */
export const remarksOf = ({ findings }: ProbeDocument, command: string): string[] => {
  const missing = findings.filter(({ state }) => state === 'missing');
  const weak = findings.filter(({ state }) => state === 'weak');
  const lines = missing.map(({ name, remedy }) => `This host lacks what containers need, ${name}: ${remedy}`);
  if (weak.length > 0)
    lines.push(
      `This host could be better (${weak.map(({ name }) => name).join(', ')}); what that means and what to do: ${command}`,
    );
  return lines;
};

/** The remarks on this host, whose images are in `images`. A probe that fails is one itself: nothing waits for it. */
export const hostRemarks = async (images: string): Promise<string[]> => {
  const args = ['probe', '--json', '--images', images];
  const { stdout, stderr } = await run(join(PROGRAMS, 'bulkhead'), args, { root: true });
  try {
    return remarksOf(JSON.parse(stdout) as ProbeDocument, 'sudo native/build/bulkhead probe');
  } catch {
    return [`This host could not be looked at: ${stderr.trim()}`];
  }
};
