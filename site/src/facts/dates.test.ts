import { describe, expect, it } from 'vitest';
import { inWords, tellDate, yearAsNumber } from './dates.ts';

describe('a date', () => {
  it('is told as exactly as it is known', () => {
    expect(inWords('1979')).toBe('1979');
    expect(inWords('2006-04')).toBe('April 2006');
    expect(inWords('2006-04-20')).toBe('20 April 2006');
    const known = { certainty: 'sourced' as const, sources: ['a'] };
    expect(tellDate({ on: '1961-11', to: '1973', ...known })).toBe('November 1961 to 1973');
    expect(tellDate({ on: '2006', words: 'about 2006', ...known })).toBe('about 2006');
  });

  it('lies between its neighbours', () => {
    const days = ['1979', '1980-01', '1980', '1980-12', '1980-12-31', '1981-01-01'];
    const places = days.map(yearAsNumber);
    expect(places).toEqual([...places].sort((one, other) => one - other));
  });
});
