// A short run of what `npm run fuzz -- --seconds N web` does for longer: always the same requests and frames.
import { expect, test } from 'vitest';
import { fuzzWeb } from '../fuzz/web.ts';
import { patiently } from '../patience.ts';

test(
  'whatever is sent to any route or socket is refused with a reason, and nobody else loses a byte',
  async () => {
    const { requests, frames, lines } = await fuzzWeb(1, { requests: 800 });
    expect(requests).toBe(800);
    expect(frames).toBeGreaterThan(100);
    expect(lines).toBeGreaterThan(0);
  },
  patiently(180_000),
);
