// What befell machines, as a page says it: the latest of each kind.
import type { HeardNotice } from './sandbox-session.ts';
import { say } from './words.ts';

export type NoticeKind = HeardNotice['kind'];

export const noticeTitles: Record<NoticeKind, string> = {
  oom: say('befell.oom'),
  throttled: say('befell.throttled'),
  pids: say('befell.pids'),
  exit: say('befell.exit'),
  panic: say('befell.panic'),
  migrated: say('befell.migrated'),
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
