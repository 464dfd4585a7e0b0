// Building the Linux for the reader's tab: minutes of work that nobody waits for, beside whatever else goes on.
import { join } from 'node:path';
import { run } from './privilege.ts';
import { ROOT } from './setup.ts';

/** What to tell while it is built: a line for each step, and one at the end. */
type Say = (line: string) => void;

/**
 * Builds the image below `images` unless it is up to date; says nothing in that case. Never rejects: without it there is no
 * Linux in the tab, and everything else is as it was. Resolves to whether the image is there.
 */
export const buildTabImage = async (
  images: string,
  say: Say,
  { signal, nice = 19 }: { signal?: AbortSignal; nice?: number } = {},
): Promise<boolean> => {
  // As nice as can be, unless it is waited for: what people wait for goes first.
  const command = ['-n', `${nice}`, join(ROOT, 'labs/images/build'), '--out', images, '--only', 'tab'];
  const { status, stderr } = await run('nice', command, {
    root: true,
    onLine: (line, stream) => {
      const text = line.replace(/^images: /, '');
      // How long a step has been at it is for somebody who waits.
      if (stream === 'stdout' && !text.startsWith(' ') && text !== 'tab: up to date') say(text);
    },
  }).catch((error: Error) => ({ status: 1, stderr: error.message }));
  if (status === 0) return true;
  if (signal?.aborted) return false;
  const cause = stderr
    .trim()
    .split('\n')
    .findLast((line) => line !== '')
    ?.replace(/^images: (error: )?/, '');
  say(
    `tab: not built, and so no Linux in a tab (all else works): ${cause ?? `status ${status}`}; try labs/images/build --out ${images} --only tab`,
  );
  return false;
};
