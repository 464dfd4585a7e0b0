// The page's side of the service worker: it is registered, and told what to keep. Without one (an old browser, a page that is not
// secure, storage that is blocked) everything works that has a network.
import { siteAddress } from '../site-address.ts';

const workers = (): ServiceWorkerContainer | undefined =>
  // Where site data is blocked, to look at it throws in some browsers.
  typeof navigator === 'undefined' ? undefined : navigator.serviceWorker;

/** Has what is read kept, beginning with this page: it came before there was anybody to keep it. */
export async function keepWhatIsRead(): Promise<void> {
  try {
    const container = workers();
    if (!container) return;
    await container.register(siteAddress('/sw.js'), { scope: siteAddress('/'), updateViaCache: 'none' });
    if (!container.controller) await ask([location.href, ...resources()]);
  } catch {
    // Nothing that the reader could do about it, or would notice.
  }
}

/** Has every page kept, for reading without a network. Resolves to whether it is. */
export async function keepSite(): Promise<boolean> {
  try {
    return await ask('whole');
  } catch {
    return false;
  }
}

/** What this page has loaded of the site so far. */
function resources(): string[] {
  const root = new URL(siteAddress('/'), location.href).href;
  return performance
    .getEntriesByType('resource')
    .map(({ name }) => name)
    .filter((url) => url.startsWith(`${root}assets/`));
}

async function ask(keep: 'whole' | readonly string[]): Promise<boolean> {
  const registration = await workers()?.ready;
  const worker = registration?.active;
  if (!worker) return false;
  const { port1, port2 } = new MessageChannel();
  const answer = new Promise<boolean>((resolve) => {
    port1.onmessage = ({ data }) => resolve(data === true);
  });
  worker.postMessage({ keep }, [port2]);
  return answer;
}
