import { expect, test } from 'vitest';
import { RequestFailed, type RequestOptions, type request } from '../sandbox/api.ts';
import { MachineDeeds, readPort } from './machine-deeds.ts';

const id = 'a'.repeat(20);
const at = `/api/sandboxes/${id}/machines/box`;

function deeds(answer: (path: string, options?: RequestOptions) => unknown): MachineDeeds {
  const ask = async (path: string, options?: RequestOptions) => answer(path, options);
  return new MachineDeeds({ ask: ask as typeof request, sandbox: id, machine: 'box' });
}

test('a preview is asked for by its port, and which were opened is known, each once', async () => {
  const asked: unknown[] = [];
  const made = deeds((path, options) => {
    asked.push([path, options?.method, options?.body]);
    return { url: 'http://preview/', expiresAt: 1 };
  });
  expect(await made.open(80)).toBe('http://preview/');
  await made.open(8080);
  await made.open(80);
  expect(asked[0]).toEqual([`${at}/previews`, 'POST', { port: 80 }]);
  expect(made.view).toEqual({ doing: null, problem: null, opened: [8080, 80] });
});

test('what fails is said until the next thing is done, and one thing is done at a time', async () => {
  let answer = (): Promise<unknown> => {
    throw new RequestFailed({ code: 'conflict', message: 'It is being moved.', retryAt: null });
  };
  const made = deeds(() => answer());
  expect(await made.freeze()).toBeNull();
  expect(made.view).toMatchObject({
    doing: null,
    problem: { code: 'conflict', message: 'It is being moved.' },
  });

  let finish: (machine: unknown) => void = () => {};
  answer = () => new Promise((resolve) => (finish = resolve));
  const thawing = made.thaw();
  expect(made.view).toMatchObject({ doing: 'thawing', problem: null });
  expect(await made.freeze()).toBeNull();
  finish({ name: 'box' });
  expect(await thawing).toEqual({ name: 'box' });
  expect(made.view.doing).toBeNull();
});

test('a port is a number that TCP has', () => {
  expect(['1', ' 8080 ', '65535'].map(readPort)).toEqual([1, 8080, 65_535]);
  expect(['', '0', '65536', '80a', '-1', '8e3', '1.5', '123456'].map(readPort)).toEqual(Array(8).fill(null));
});
