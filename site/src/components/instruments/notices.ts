// What befell machines, as a page says it: the latest of each kind.
import type { HeardNotice } from '../sandbox/sandbox-session.ts';

export type NoticeKind = HeardNotice['kind'];

export const noticeTitles: Record<NoticeKind, string> = {
  oom: 'Out of memory',
  throttled: 'Out of CPU time',
  pids: 'Too many processes',
  exit: 'Ended',
  panic: 'Kernel panic',
  migrated: 'Moved',
};

/** At most three, the newest last: of each kind and machine the latest, which says how often since the one before. */
export function latestNotices(notices: readonly HeardNotice[]): HeardNotice[] {
  const latest = new Map<string, HeardNotice>();
  for (const notice of notices) {
    const key = `${notice.kind} ${notice.machine}`;
    latest.delete(key); // so that the newest stands last
    latest.set(key, notice);
  }
  return [...latest.values()].slice(-3);
}
