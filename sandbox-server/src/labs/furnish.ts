// Puts the files of a lab into a machine that has just begun.
import { runCommand, writeFile } from '../machines/inside.ts';
import type { LearnerMachine } from '../machines/machine.ts';
import type { Lab } from './lab.ts';

/** For a machine on an emulated processor that others want as well: a lab without its files cannot be done. */
const FOLDERS_MS = 60_000;

/** Resolves when they are there. Rejects with Problem, BrokerError or Error. */
export async function furnish(machine: LearnerMachine, { files, slug }: Lab): Promise<void> {
  await machine.work(async (host, id) => {
    const folders = [...new Set(files.map(({ path }) => dirname(path)))].filter((folder) => folder !== '/');
    if (folders.length > 0) {
      const command = ['/bin/mkdir', '-p', ...folders];
      const made = await runCommand(host, id, { command, timeoutMs: FOLDERS_MS });
      if (made.status !== 0 || made.signal !== 0) {
        throw new Error(`cannot make the folders of ${slug} in ${machine.view.name}: ${made.stderr.trim()}`);
      }
    }
    for (const { path, content, mode } of files) await writeFile(host, id, { path, content, mode });
  });
}

/** Of an absolute path. */
function dirname(path: string): string {
  return path.slice(0, path.lastIndexOf('/')) || '/';
}
