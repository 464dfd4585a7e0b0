// A short run of what `npm run fuzz -- --seconds N guest` does for longer: always the same conversations.
import { expect, test } from 'vitest';
import { fuzzGuest } from '../fuzz/guest.ts';

test('a guest that says anything at all harms its own conversation and no other', async () => {
  expect((await fuzzGuest(1, { conversations: 200 })).conversations).toBe(200);
}, 30_000);
