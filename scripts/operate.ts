// `npm run operate -- COMMAND`: the operator's commands, as root so that they can become the server's user.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { ensureRoot, isRoot } from './privilege.ts';
import { NODE, ROOT } from './setup.ts';

const asks = process.argv.includes('--help');
if (!asks) ensureRoot();
const command = [NODE, join(ROOT, 'sandbox-server/src/operator/main.ts'), ...process.argv.slice(2)];
const [program = NODE, ...args] = isRoot || asks ? command : ['sudo', '-n', '--', ...command];
process.exit(spawnSync(program, args, { stdio: 'inherit' }).status ?? 1);
