import { defineConfig } from 'vitest/config';
import { patiently } from './tests/patience.ts';

/**
 * `unit` stands beside the code and runs anywhere; its files share a process for each core. `integration` crosses folders and
 * needs root and real kernels; two of its files run at once, for each counts only what bears its own stack's name.
 * `escape` attacks what is running, a file at a time. `tab` wants the image of the Linux in the tab, which takes minutes
 * to build (labs/images/build --only tab).
 */
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          isolate: false,
          setupFiles: ['tests/unit/as-it-was.ts'],
          // Emulated processors may run beside them.
          expect: { poll: { timeout: patiently(5_000) } },
          testTimeout: patiently(20_000),
          include: [
            'sandbox-server/src/**/*.test.ts',
            'site/src/**/*.test.ts',
            'scripts/**/*.test.ts',
            'tests/unit/**/*.test.ts',
          ],
        },
      },
      {
        test: {
          name: 'integration',
          include: ['tests/integration/**/*.test.ts'],
          maxWorkers: 2,
          expect: { poll: { timeout: patiently(1_000) } },
          testTimeout: patiently(60_000),
          hookTimeout: patiently(120_000),
        },
      },
      {
        test: {
          name: 'tab',
          include: ['tests/tab/**/*.test.ts'],
          fileParallelism: false,
        },
      },
      {
        test: {
          name: 'escape',
          include: ['tests/escape/**/*.test.ts'],
          fileParallelism: false,
          expect: { poll: { timeout: patiently(1_000) } },
          testTimeout: patiently(60_000),
          hookTimeout: patiently(180_000),
        },
      },
    ],
  },
});
