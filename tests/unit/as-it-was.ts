// The files of the unit tests share a process, for to start one costs more than most of them do. What a file has put in
// place of the browser's, the environment's or the clock's own is put back before the next one.
import { afterAll, vi } from 'vitest';

afterAll(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});
