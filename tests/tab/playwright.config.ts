import { defineConfig } from '@playwright/test';
import e2e from '../e2e/playwright.config.ts';
import { patiently } from '../patience.ts';

/** The Linux in the tab, in a browser and with nothing but a web host behind it. */
export default defineConfig({
  ...e2e,
  testDir: '.',
  projects: [{ name: 'tab', testMatch: '*.spec.ts' }],
  timeout: patiently(240_000),
  reporter: [['list'], ['json', { outputFile: '../results/tab-browser.json' }]],
  outputDir: '../results/tab',
});
