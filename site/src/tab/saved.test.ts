// A browser may keep nothing for a site: a page then begins anew each time, and says why.
import { expect, test } from 'vitest';
import { forgetSaved, save, saved, whyNotSaved } from './saved.ts';

test('where nothing can be saved, nothing is found, and the reader is told what that means', async () => {
  // As in a browser that blocks storage, there is no indexedDB here.
  await expect(save('first', {})).rejects.toThrow();
  expect(await saved('first')).toBeUndefined();
  await forgetSaved();
  expect(whyNotSaved(new DOMException('denied', 'SecurityError'))).toBe(
    'This browser saves nothing for this site: when the page is loaded again, the machine begins anew.',
  );
  expect(whyNotSaved(new DOMException('full', 'QuotaExceededError'))).toContain("browser's storage is full");
});
