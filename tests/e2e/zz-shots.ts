// scratch
import { chromium } from '@playwright/test';
import { startStack } from '../integration/stack.ts';
import { CHROMIUM } from './browser.ts';

const stack = await startStack();
console.log(stack.url);
process.on('SIGTERM', () => void stack.stop().then(() => process.exit(0)));
process.stdin.resume();
process.stdin.on('end', () => void stack.stop().then(() => process.exit(0)));
