// The distribution's own Chromium, started so that it needs neither a GPU nor the internet.
import { existsSync } from 'node:fs';

const places = ['/usr/bin/chromium', '/snap/bin/chromium', '/usr/bin/google-chrome'];

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
  ],
};
