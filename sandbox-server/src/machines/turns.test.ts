import { describe, expect, it } from 'vitest';
import { Turns } from './turns.ts';

const take = (turns: Turns) => {
  const told: number[] = [];
  const turn = turns.take((before) => told.push(before));
  let came = false;
  void turn.come.then(() => {
    came = true;
  });
  return { turn, told, came: () => came };
};

describe('turns', () => {
  it('come at once while few are at it, and then in the order in which they were asked for', async () => {
    const turns = new Turns(2);
    const [a, b, c, d] = [take(turns), take(turns), take(turns), take(turns)] as const;
    await a.turn.come;
    await b.turn.come;
    expect([a, b, c, d].map(({ turn }) => turn.waits)).toEqual([false, false, true, true]);
    expect([c.came(), d.came()]).toEqual([false, false]);
    b.turn.done();
    await c.turn.come;
    expect(d.came()).toBe(false);
    expect([c.told, d.told]).toEqual([
      [2, 0],
      [3, 2],
    ]);
    a.turn.done();
    await d.turn.come;
  });

  it('are over once, however often that is said', async () => {
    const turns = new Turns(1);
    const [a, b, c] = [take(turns), take(turns), take(turns)] as const;
    a.turn.done();
    a.turn.done();
    await b.turn.come;
    expect(c.came()).toBe(false);
  });

  it('can be given up by who waits, and those behind move up', async () => {
    const turns = new Turns(1);
    const [a, b, c] = [take(turns), take(turns), take(turns)] as const;
    b.turn.done();
    await b.turn.come;
    expect(c.told).toEqual([2, 1]);
    a.turn.done();
    await c.turn.come;
    c.turn.done();
    await take(turns).turn.come;
  });

  it('are told exactly when they are near, and every tenth time when they are far', () => {
    const turns = new Turns(1);
    const all = Array.from({ length: 26 }, () => take(turns));
    for (const { turn } of all.slice(0, 25)) turn.done();
    expect(all[25]?.told).toEqual([25, 20, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0]);
  });
});
