// A lab as the server loads it, for a reader whose tab is the server: steps, checks, solutions and files.
import { join } from 'node:path';
import { type Loaded, loadLabs } from '@bulkhead/sandbox-server/labs/load';
import type { APIRoute, GetStaticPaths } from 'astro';

/** From where the build runs (the site's folder), since what is bundled is no longer where it was written. */
const { labs }: Loaded = loadLabs(process.env.BULKHEAD_LABS ?? join(process.cwd(), '../labs'));

export const getStaticPaths: GetStaticPaths = () =>
  [...labs.values()].map((lab) => ({ params: { lab: lab.slug }, props: { lab } }));

export const GET: APIRoute = ({ props }) => Response.json(props.lab);
