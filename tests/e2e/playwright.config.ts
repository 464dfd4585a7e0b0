import { defineConfig, devices } from '@playwright/test';
import { patiently } from '../patience.ts';
import { CHROMIUM } from './browser.ts';

/**
 * Real pages against a real stack. `stack` has one worker, for machines and browsers want two cores; `pages` only
 * looks at what was built.
 */
export default defineConfig({
  testDir: '.',
  projects: [
    { name: 'stack', testMatch: '*.spec.ts', testIgnore: ['pages.spec.ts', 'search.spec.ts'] },
    { name: 'pages', testMatch: ['pages.spec.ts', 'search.spec.ts'] },
  ],
  workers: 1,
  timeout: patiently(90_000),
  // Another suite may have the processor for a while.
  expect: { timeout: patiently(15_000) },
  reporter: [['list'], ['json', { outputFile: '../results/e2e.json' }]],
  outputDir: '../results/e2e',
  use: {
    ...devices['Desktop Chrome'],
    viewport: { width: 1440, height: 900 },
    launchOptions: CHROMIUM,
    // What a page asks for is to be seen, and answered, by the tests; offline.spec.ts (tests/tab) has the worker.
    serviceWorkers: 'block',
    screenshot: 'only-on-failure',
    // To record one costs more than most tests do. A test that fails is looked at with --trace=retain-on-failure.
    trace: 'off',
  },
});
