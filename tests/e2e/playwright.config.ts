import { defineConfig, devices } from '@playwright/test';
import { CHROMIUM } from './browser.ts';

/** Real pages against a real stack; one worker, because processes, mounts and cgroups are counted before and after. */
export default defineConfig({
  testDir: '.',
  testMatch: '*.spec.ts',
  workers: 1,
  timeout: 90_000,
  reporter: [['list'], ['json', { outputFile: '../results/e2e.json' }]],
  outputDir: '../results/e2e',
  use: {
    ...devices['Desktop Chrome'],
    viewport: { width: 1440, height: 900 },
    launchOptions: CHROMIUM,
    screenshot: 'only-on-failure',
    trace: 'retain-on-failure',
  },
});
