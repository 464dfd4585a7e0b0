// A lab as a server loads it, with its checks and files: what the Linux in the reader's tab does it with.
import type { Lab } from '@bulkhead/sandbox-server/labs/lab';
import { soundLabs } from '../../../labs/check.ts';
import { labsFolder } from '../../../labs/folder.ts';

export function getStaticPaths() {
  return soundLabs(labsFolder).labs.map((lab) => ({ params: { lab: lab.slug }, props: { lab } }));
}

export const GET = ({ props }: { props: { lab: Lab } }) => Response.json(props.lab);
