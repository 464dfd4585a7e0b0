// Dates as they are told and as they are drawn: as exactly as their sources know them, and no more so.
import type { FactDate } from './schemas.ts';

const months = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
];

/** "1979-03-02" to "2 March 1979", "1979-03" to "March 1979". */
export function inWords(day: string): string {
  const [year = '', month, date] = day.split('-');
  const name = month ? `${months[Number(month) - 1]} ` : '';
  return `${date ? `${Number(date)} ` : ''}${name}${year}`;
}

/** What stands before an entry: its own words where it has any, or the digits. */
export function tellDate({ on, to, words }: FactDate): string {
  if (words) return words;
  if (!to) return inWords(on);
  return `${inWords(on)} to ${inWords(to)}`;
}

/** A place on a line of years: the middle of what is known (of a month, of a year). */
export function yearAsNumber(day: string): number {
  const [year = '', month, date] = day.split('-').map(Number);
  if (month === undefined) return Number(year) + 0.5;
  return Number(year) + (month - 1) / 12 + (date === undefined ? 0.5 / 12 : date / 365);
}
