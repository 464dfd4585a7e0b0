// Since when there is a page and when it was last changed, from the history of its source: nobody has to write dates down,
// so none can be wrong. Without that history (an unpacked archive, a shallow clone) there are no dates, rather than made-up ones.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** ISO 8601, as the authors of the commits had it. */
export interface Dates {
  added: string;
  changed: string;
}

/** Pages whose text is in data: the data that each prints, from the root of the repository. */
const data: Record<string, string> = {
  '/2013/': 'site/src/content/facts/claims.yaml',
  '/figures/': 'site/src/content/facts/figures.yaml',
  '/glossary/': 'site/src/content/facts/glossary.yaml',
  '/history/': 'site/src/content/facts/timeline.yaml',
  '/made/': 'native/README.md',
  '/matrix/': 'site/src/content/facts/properties.yaml',
  '/sources/': 'site/src/content/facts/sources.yaml',
};

/** The files that a page is written in, as far as they exist below `repository`. */
export function sourcesOf(path: string, repository: string): string[] {
  const name = path.replaceAll(/^\/|\/$/g, '');
  const own = [
    `site/src/content/docs/${name}.mdx`,
    `site/src/pages/${name || 'index'}.astro`,
    `site/src/pages/${name}/index.astro`,
    `${name}/lab.mdx`,
  ];
  return [...own, ...(data[path] ? [data[path]] : [])].filter((file) => existsSync(join(repository, file)));
}

/** The dates of every file that the history of `repository` knows. */
export function datesOfFiles(repository: string): Map<string, Dates> {
  // The owner of a checkout may not be who builds it; only names and dates are read from it here.
  const git = (...args: string[]) =>
    spawnSync('git', ['-c', 'safe.directory=*', '-C', repository, ...args], {
      encoding: 'utf8',
      maxBuffer: 2 ** 28,
    });
  const dates = new Map<string, Dates>();
  if (git('rev-parse', '--is-shallow-repository').stdout?.trim() !== 'false') return dates;
  const log = git(
    'log',
    '--format=%x00%aI',
    '--name-only',
    '--no-renames',
    '--',
    'site/src',
    'labs',
    'native/README.md',
  );
  for (const commit of (log.stdout ?? '').split('\0').slice(1)) {
    const [date = '', ...files] = commit.split('\n').filter((line) => line !== '');
    // The newest commit comes first: what is seen later was earlier.
    for (const file of files) dates.set(file, { added: date, changed: dates.get(file)?.changed ?? date });
  }
  return dates;
}

/** When a page appeared, and when what it says last changed; nothing where the history does not tell. */
export function datesOfPage(
  path: string,
  repository: string,
  files: ReadonlyMap<string, Dates>,
): Dates | undefined {
  const known = sourcesOf(path, repository).flatMap((file) => files.get(file) ?? []);
  if (known.length === 0) return undefined;
  const byTime = (one: string, other: string): number => Date.parse(one) - Date.parse(other);
  return {
    added: known.map(({ added }) => added).sort(byTime)[0] ?? '',
    changed:
      known
        .map(({ changed }) => changed)
        .sort(byTime)
        .at(-1) ?? '',
  };
}
