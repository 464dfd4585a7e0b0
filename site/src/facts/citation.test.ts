import { describe, expect, it } from 'vitest';
import { citation, citedKeys } from './citation.ts';
import type { Source } from './schemas.ts';

const losh: Source = { author: 'Losh', title: 'Whither chroot?', year: 2020, trust: 'opened', for: 'chroot' };

describe('a citation', () => {
  it('names author, title and year, and says when it is second-hand', () => {
    expect(citation(losh)).toBe('Losh, Whither chroot? (2020)');
    expect(citation({ ...losh, trust: 'secondary', year: 'undated' })).toBe(
      'Losh, Whither chroot?, second-hand',
    );
    expect(citation({ ...losh, author: 'AMD', title: 'AMD SEV', year: 'living' })).toBe('AMD, SEV');
  });

  it('is found in the text of a page, once for each source', () => {
    expect(
      citedKeys('a <Source of="losh cks" /> b <Source of="losh" /> c <Source\n of="jails-paper" />'),
    ).toEqual(['losh', 'cks', 'jails-paper']);
  });
});
