import { describe, expect, it } from 'vitest';
import { asSentence, formatBytes, formatDuration, formatMs } from './format.ts';

it('makes a sentence of what a program said', () => {
  expect(asSentence('the guest powered off')).toBe('The guest powered off.');
  expect(asSentence('It is over.')).toBe('It is over.');
});

describe('numbers for people', () => {
  it.each([
    [0.412, '0.41 ms'],
    [4.23, '4.2 ms'],
    [119.6, '120 ms'],
    [2_640, '2.6 s'],
    [31_000, '31 s'],
  ])('%d ms is %s', (ms, text) => expect(formatMs(ms)).toBe(text));

  it.each([
    [40_960, '40 KiB'],
    [3_565_158, '3.4 MiB'],
    [209_715_200, '200 MiB'],
    [2_147_483_648, '2.0 GiB'],
  ])('%d bytes are %s', (bytes, text) => expect(formatBytes(bytes)).toBe(text));

  it.each([
    [14_900, '14 s'],
    [600_000, '10 min'],
    [7_500_000, '2 h 5 min'],
    [1_036_800_000, '12 days'],
  ])('%d ms have run for %s', (ms, text) => expect(formatDuration(ms)).toBe(text));
});
