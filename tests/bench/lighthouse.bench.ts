// Lighthouse on ten representative pages, on its mobile preset (a slow phone on slow 4G, simulated): `npm run lighthouse`, or with
// `-- --pages=/,/matrix/ --runs=3`. Prints a table, writes JSON, and fails below 95 in any of the four.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { chromium } from '@playwright/test';
import lighthouse, { type Result } from 'lighthouse';
import { CHROMIUM } from '../e2e/browser.ts';
import { DIST } from '../e2e/plain-site.ts';
import { freePort, startStack } from '../integration/stack.ts';
import { describeEnvironment, environment } from './environment.ts';

const TEN = [
  '/',
  '/compare/',
  '/history/',
  '/history/bazaar/',
  '/concepts/what-is-divided/',
  '/concepts/namespaces/',
  '/2013/',
  '/matrix/',
  '/made/',
  '/glossary/',
];
const { values: options } = parseArgs({
  options: {
    pages: { type: 'string', default: TEN.join(',') },
    /** Of each page; the middle one by performance counts, because that one depends on what else the machine does. */
    runs: { type: 'string', default: '1' },
    least: { type: 'string', default: '95' },
    out: { type: 'string', default: join(import.meta.dirname, '../results/lighthouse.json') },
  },
});

const categories = ['performance', 'accessibility', 'best-practices', 'seo'] as const;
interface Page {
  path: string;
  scores: Record<(typeof categories)[number], number>;
  /** Milliseconds, simulated. */
  largestPaint: number;
  blocked: number;
  shift: number;
  /** Kilobytes over the network. */
  transferred: number;
  /** What kept a category below 100, by the names that Lighthouse has for it. */
  remarks: string[];
}

const asPage = (path: string, { categories: found, audits }: Result): Page => {
  const value = (audit: string): number => audits[audit]?.numericValue ?? Number.NaN;
  const scores = Object.fromEntries(
    categories.map((name) => [name, Math.round((found[name]?.score ?? 0) * 100)]),
  ) as Page['scores'];
  return {
    path,
    scores,
    largestPaint: Math.round(value('largest-contentful-paint')),
    blocked: Math.round(value('total-blocking-time')),
    shift: Number(value('cumulative-layout-shift').toFixed(3)),
    transferred: Math.round(value('total-byte-weight') / 1000),
    remarks: categories.flatMap((name) =>
      (found[name]?.auditRefs ?? [])
        .filter(({ id, weight }) => weight > 0 && (audits[id]?.score ?? 1) < 0.9)
        .map(({ id }) => `${name}: ${id}`),
    ),
  };
};

const middle = (pages: Page[]): Page => {
  pages.sort((one, other) => one.scores.performance - other.scores.performance);
  const page = pages[Math.floor(pages.length / 2)];
  if (!page) throw new Error('no run of Lighthouse came to an end');
  return page;
};

const before = environment();
const stack = await startStack({ site: DIST });
const port = await freePort();
const browser = await chromium.launch({
  ...CHROMIUM,
  args: [...CHROMIUM.args, `--remote-debugging-port=${port}`],
});
const pages: Page[] = [];
try {
  console.log(`${'page'.padEnd(30)} perf  a11y  best   seo   LCP ms  blocked  shift    kB`);
  for (const path of options.pages.split(',')) {
    const runs: Page[] = [];
    for (let run = 0; run < Number(options.runs); run++) {
      const outcome = await lighthouse(stack.url + path, {
        port,
        onlyCategories: [...categories],
        logLevel: 'error',
      });
      if (!outcome || outcome.lhr.runtimeError)
        throw new Error(`Lighthouse could not look at ${path}: ${outcome?.lhr.runtimeError?.message}`);
      runs.push(asPage(path, outcome.lhr));
    }
    const page = middle(runs);
    pages.push(page);
    const scores = categories.map((name) => String(page.scores[name]).padStart(4));
    console.log(
      `${path.padEnd(30)} ${scores.join('  ')}  ${String(page.largestPaint).padStart(7)}  ${String(page.blocked).padStart(7)}  ${String(page.shift).padStart(5)}  ${String(page.transferred).padStart(4)}${page.remarks.length > 0 ? `   ${page.remarks.join(', ')}` : ''}`,
    );
  }
} finally {
  await browser.close();
  await stack.stop();
}
const after = environment();
console.log(describeEnvironment(before, after));
mkdirSync(dirname(options.out), { recursive: true });
rmSync(options.out, { force: true });
writeFileSync(options.out, `${JSON.stringify({ environment: { before, after }, pages }, null, 2)}\n`);
const low = pages.flatMap(({ path, scores }) =>
  categories
    .filter((name) => scores[name] < Number(options.least))
    .map((name) => `${path} ${name} ${scores[name]}`),
);
if (low.length > 0) throw new Error(`below ${options.least}: ${low.join('; ')}`);
