// What a stranger tries in a container, program by program (attempts/): each in both profiles, and each first where it is
// not stopped, so that an attempt that could never work does not pass for one that was stopped.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Arena, PROFILES } from './arena.ts';
import { expectStopped, GROUPS } from './table.ts';

let arena: Arena;
beforeAll(async () => {
  arena = await Arena.open();
  await arena.guest();
});
afterAll(() => arena.close());

for (const [group, attempts] of Object.entries(GROUPS)) {
  describe(group, () => {
    for (const { title, run, works, ...stops } of attempts) {
      it(title, async () => {
        if (works !== 'nowhere')
          expect(works === 'guest' ? await arena.inGuest(run) : arena.onHost(run)).toMatch(/^GOT/);
        for (const profile of PROFILES) expectStopped(await arena.inside(profile, run), stops[profile]);
      });
    }
  });
}
