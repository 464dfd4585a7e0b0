// The terminals beside the one that is measured, in a process of their own, for they are other people's computers:
//   node neighbours.ts ADDRESS-AS-JSON
// takes lines on its standard input (`idle N`, `printing N`, `flooding N`: so many more of these) and answers each with a
// line when it is so. Ends with its standard input.
import { createInterface } from 'node:readline';
import { type Address, openTerminal } from './terminal-servers.ts';
import { flood, type OpenTerminal, printSlowly } from './typing.ts';

const address = JSON.parse(process.argv[2] ?? '') as Address;
const kept: OpenTerminal[] = [];

for await (const line of createInterface({ input: process.stdin })) {
  const [what = '', count = '0'] = line.split(' ');
  for (let i = 0; i < Number(count); i++) {
    const terminal = await openTerminal(address);
    kept.push(terminal); // or it would be collected, and its connection with it
    if (what === 'printing') printSlowly(terminal);
    if (what === 'flooding') await flood(terminal);
  }
  process.stdout.write(`${kept.length}\n`);
}
for (const terminal of kept) terminal.close();
process.exit(0);
