// A lab as the server loads it, for a reader whose tab is the server: steps, checks, solutions and files.
import { type Loaded, loadLabs } from '@bulkhead/sandbox-server/labs/load';
import type { APIRoute, GetStaticPaths } from 'astro';
import { labsFolder } from '../../../labs/folder.ts';

const { labs }: Loaded = loadLabs(labsFolder);

export const getStaticPaths: GetStaticPaths = () =>
  [...labs.values()].map((lab) => ({ params: { lab: lab.slug }, props: { lab } }));

export const GET: APIRoute = ({ props }) => Response.json(props.lab);
