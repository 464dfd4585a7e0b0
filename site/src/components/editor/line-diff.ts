// What differs between two texts, line by line: a longest common subsequence, after what begins and ends alike is taken off.

export interface DiffLine {
  side: 'both' | 'mine' | 'theirs';
  text: string;
}

/** Above this many pairs of lines the middle is shown as all different, rather than keep the page waiting. */
const MOST_PAIRS = 4_000_000;

export function diffLines(theirs: string, mine: string): DiffLine[] {
  const a = theirs.split('\n');
  const b = mine.split('\n');
  let head = 0;
  while (head < a.length && head < b.length && a[head] === b[head]) head++;
  let tail = 0;
  while (tail < a.length - head && tail < b.length - head && a.at(-1 - tail) === b.at(-1 - tail)) tail++;
  return [
    ...a.slice(0, head).map(both),
    ...middle(a.slice(head, a.length - tail), b.slice(head, b.length - tail)),
    ...a.slice(a.length - tail).map(both),
  ];
}

const both = (text: string): DiffLine => ({ side: 'both', text });

function middle(a: readonly string[], b: readonly string[]): DiffLine[] {
  const width = b.length + 1;
  const common = new Uint32Array(a.length * b.length > MOST_PAIRS ? 0 : (a.length + 1) * width);
  // From the end, so that the walk below goes forward. An index that is out of range is 0, as the last row and column are.
  const at = (i: number, j: number) => common[i * width + j] ?? 0;
  if (common.length > 0) {
    for (let i = a.length - 1; i >= 0; i--)
      for (let j = b.length - 1; j >= 0; j--)
        common[i * width + j] = a[i] === b[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
  }
  const lines: DiffLine[] = [];
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    const [left, right] = [a[i], b[j]];
    if (left !== undefined && left === right && common.length > 0) {
      lines.push(both(left));
      i++;
      j++;
    } else if (left !== undefined && (right === undefined || at(i + 1, j) >= at(i, j + 1))) {
      lines.push({ side: 'theirs', text: left });
      i++;
    } else {
      lines.push({ side: 'mine', text: right ?? '' });
      j++;
    }
  }
  return lines;
}

/** The same with long runs of common lines left out, but for `around` lines at each side of a difference. */
export function hunksOf(lines: readonly DiffLine[], around = 2): DiffLine[][] {
  const near = lines.map((_, index) =>
    lines.slice(Math.max(0, index - around), index + around + 1).some((line) => line.side !== 'both'),
  );
  const hunks: DiffLine[][] = [];
  for (const [index, line] of lines.entries()) {
    if (!near[index]) continue;
    if (!near[index - 1]) hunks.push([]);
    hunks.at(-1)?.push(line);
  }
  return hunks;
}
