// A recording of terminals: asciicast v2 (docs.asciinema.org/manual/asciicast/v2), with what a reader has to know of where it
// was made under a key of our own, which other players pass over.

export interface CastHeader {
  version: 2;
  width: number;
  height: number;
  /** Unix time in seconds. */
  timestamp: number;
  title: string;
  bulkhead: {
    /** Processors, memory and kernel of the host. */
    machine: string;
    /** How it runs them, and why so. */
    virtualMachines: string;
    /** Load average of the last minute before it was made. */
    load: number;
    /** What makes it again. */
    command: string;
  };
}
/** Seconds since the beginning, and what was printed then. */
export type CastEvent = readonly [seconds: number, printed: string];
export interface Cast {
  header: CastHeader;
  events: readonly CastEvent[];
}

/** Throws where the text is not such a recording, or goes back in time. Its header was checked when the page was built. */
export function parseCast(text: string): Cast {
  const [first = '', ...lines] = text.trimEnd().split('\n');
  const header = JSON.parse(first) as CastHeader;
  if (header.version !== 2) throw new Error(`this player knows asciicast 2, and not ${header.version}`);
  let last = 0;
  const events = lines.map((line, index): CastEvent => {
    const [seconds, what, printed] = JSON.parse(line) as unknown[];
    if (typeof seconds !== 'number' || what !== 'o' || typeof printed !== 'string')
      throw new Error(`event ${index + 1} of "${header.title}" is not [seconds, "o", text]`);
    if (seconds < last)
      throw new Error(`event ${index + 1} of "${header.title}" is before the one before it`);
    last = seconds;
    return [seconds, printed];
  });
  if (events.length === 0) throw new Error(`"${header.title}" has no events`);
  return { header, events };
}

export function formatCast({ header, events }: Cast): string {
  const lines = events.map(([seconds, printed]) =>
    JSON.stringify([Number(seconds.toFixed(3)), 'o', printed]),
  );
  return `${[JSON.stringify(header), ...lines].join('\n')}\n`;
}

export const durationOf = ({ events }: Cast): number => events.at(-1)?.[0] ?? 0;

/** Sequences that colour, move or set something and print nothing (ECMA-48: CSI, OSC, and those of two characters). */
const ESC = '\u001b';
const silent = new RegExp(
  [
    `${ESC}\\[[0-?]*[ -/]*[@-~]`,
    `${ESC}\\][^\\u0007${ESC}]*(?:\\u0007|${ESC}\\\\)`,
    `${ESC}[@-Z\\\\-_=>()][0-9A-B]?`,
    '[\\u0000-\\u0007\\u000e-\\u001a]',
  ].join('|'),
  'g',
);

/** All that was printed, as text: what is read by those who do not watch. */
export function transcriptOf({ events }: Cast): string {
  const all = events.map(([, printed]) => printed).join('');
  return all
    .replace(silent, '')
    .replaceAll('\r\n', '\n')
    .split('\n')
    .map((line) => overwritten(line).trimEnd())
    .join('\n')
    .trim();
}

/** A line as it stands after its carriage returns and backspaces. */
function overwritten(line: string): string {
  const letters: string[] = [];
  let at = 0;
  for (const letter of line) {
    if (letter === '\r') at = 0;
    else if (letter === '\b') at = Math.max(0, at - 1);
    else letters[at++] = letter;
  }
  return letters.join('');
}
