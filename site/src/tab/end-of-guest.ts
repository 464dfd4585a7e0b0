// How a guest in the tab ended, from the last words on its console; the rules are those of native/broker/vm_end.c.
import type { MachineEnd } from '@bulkhead/sandbox-server/protocol';

const LINES = 40;
const LINE = 200;
const says = [
  { text: 'Kernel panic - not syncing: ', cause: 'panic' },
  { text: 'the guest was asked to power off', cause: 'poweroff' },
  { text: 'the guest was asked to restart', cause: 'reboot' },
] as const;
const reasons = {
  panic: 'Its kernel panicked',
  poweroff: 'It was powered off from inside.',
  reboot: 'It was restarted from inside; in this tab there is nothing that it could boot from.',
  lost: 'It is gone: its processor failed, or its emulator did.',
};

/** The reason in a sentence, and the end as the API shows it. */
export function endOfGuest(console: readonly string[]): [string, Pick<MachineEnd, 'cause' | 'console'>] {
  const all = console.map((line) => line.replace(/\p{Cc}/gu, '').slice(0, LINE));
  const text = all.join('\n');
  const last = says
    .map((one) => ({ ...one, at: text.lastIndexOf(one.text) }))
    .filter(({ at }) => at >= 0)
    .toSorted((a, b) => b.at - a.at)[0];
  const cause = last?.cause ?? 'lost';
  const words =
    last?.cause === 'panic'
      ? text
          .slice(last.at + last.text.length)
          .split('\n')[0]
          ?.trim()
      : '';
  const reason = words ? `${reasons.panic}: ${words}` : reasons[cause];
  return [reason, { cause, console: shown(all, last?.text) }];
}

/** The last lines; of a long trace, those from the words that it began with. */
function shown(lines: readonly string[], words: string | undefined): string[] {
  const at = words === undefined ? -1 : lines.findLastIndex((line) => line.includes(words));
  const from = Math.max(0, lines.length - LINES);
  return lines.slice(at >= 0 ? Math.min(at, from) : from).slice(0, LINES);
}
