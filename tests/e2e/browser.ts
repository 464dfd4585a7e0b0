// The distribution's own Chromium, started so that it needs neither a GPU nor the internet.
import { existsSync } from 'node:fs';

const places = ['/usr/bin/chromium', '/snap/bin/chromium', '/usr/bin/google-chrome'];

/** What Playwright turns off in Chromium. Of two --disable-features the last one counts, so ours has to say it again. */
const OFF_FOR_PLAYWRIGHT = [
  'AvoidUnnecessaryBeforeUnloadCheckSync',
  'DestroyProfileOnBrowserClose',
  'HttpsUpgrades',
  'HttpsFirstBalancedModeAutoEnable',
  'LensOverlay',
  'MediaRouter',
  'PaintHolding',
  'ThirdPartyStoragePartitioning',
  'AvoidCorsURLLoaderRestartOnRedirect',
  'OptimizationHints',
  'NetworkTimeServiceQuerying',
  'AimEnabled',
  'PreconnectToSearch',
];
/** Two pages of its own that every window loads for suggestions below an address bar that nobody sees: as much work as
 * a small page of ours, in a browser that is headless. */
const OFF_FOR_SPEED = ['WebUIOmniboxPopup', 'WebUIOmniboxAimPopup'];

export const CHROMIUM = {
  executablePath: process.env.BULKHEAD_CHROMIUM ?? places.find(existsSync) ?? '/usr/bin/chromium',
  args: [
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
    `--disable-features=${[...OFF_FOR_PLAYWRIGHT, ...OFF_FOR_SPEED].join(',')}`,
  ],
};
