// Says on the list of labs how much of each is done: as far as this browser knows at once, then as the server does. Where nothing
// was ever done no server is asked: who only reads leaves nothing behind.
import { isStatic } from '../../site-address.ts';
import { request } from '../sandbox/api.ts';
import { LabProgress } from './lab-progress.ts';
import { say } from './words.ts';

let asked: Promise<unknown> | undefined;
/** One answer for all of them. */
function shared<T>(...[path, options]: Parameters<typeof request>): Promise<T> {
  if (options?.method) return request<T>(path, options);
  asked ??= request(path, options);
  return asked as Promise<T>;
}

for (const item of document.querySelectorAll<HTMLElement>('[data-lab]')) {
  const { lab = '', steps = '' } = item.dataset;
  const all = steps.split(' ');
  const place = item.querySelector<HTMLElement>('.done');
  const tell = (done: Readonly<Record<string, number>>) => {
    const count = all.length;
    const ready = all.filter((step) => step in done).length;
    if (!place || ready === 0) return;
    place.hidden = false;
    place.textContent = ready === count ? say('list.all') : say('list.some', { done: ready, count });
  };
  const progress = new LabProgress({ lab, ask: isStatic() ? null : shared });
  tell(progress.kept.done);
  if (progress.kept.place) void progress.meet().then(({ done }) => tell(done));
}
