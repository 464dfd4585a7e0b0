import { beforeEach, describe, expect, test } from 'vitest';
import { newId } from '../ids.ts';
import { oneBox } from '../testing/stage.ts';
import { Queue } from './queue.ts';

let now: number;
let queue: Queue;
beforeEach(() => {
  now = 1_000;
  queue = new Queue({ most: 10, patienceMs: 30_000, now: () => now });
});
const join = () => {
  now++;
  return queue.add({ owner: newId(), address: '192.0.2.1' }, oneBox, 'The host is full.');
};

describe('a place in the queue', () => {
  test('is lost when nobody asks for it any more, and not before', () => {
    const asked = join();
    const gone = join();
    now += 29_000;
    queue.get(asked.asker.owner, asked.id);
    now += 2_000;
    queue.prune();
    expect(queue.waiting).toEqual([asked]);
    expect(gone.state).toBe('left');
  });

  test('is kept while a page listens, and half a minute longer: as long as a reload takes', () => {
    const ticket = join();
    const leave = ticket.changes.add(() => {});
    now += 600_000;
    queue.prune();
    leave();
    now += 29_000;
    queue.prune();
    expect(queue.waiting).toEqual([ticket]);
    now += 2_000;
    queue.prune();
    expect(queue.waiting).toEqual([]);
  });

  test('is where it was when the turn had to be taken back', () => {
    const [first, second, third] = [join(), join(), join()];
    queue.begin(first);
    queue.begin(second);
    expect(queue.view(third)).toMatchObject({ place: 1, waiting: 1 });
    queue.putBack(second, 'Not yet.');
    queue.putBack(first, 'Not yet.');
    expect(queue.waiting).toEqual([first, second, third]);
  });

  test('tells a page that comes a moment too late where its sandbox is', () => {
    const ticket = join();
    queue.begin(ticket);
    queue.settle(ticket, { sandbox: 'a'.repeat(20) });
    now += 50_000;
    queue.prune();
    const late = queue.get(ticket.asker.owner, ticket.id);
    expect(queue.view(late)).toMatchObject({ state: 'admitted', place: 0, sandbox: 'a'.repeat(20) });
  });
});
