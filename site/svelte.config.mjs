// Read by svelte-check and by the Astro integration alike.
import { vitePreprocess } from '@astrojs/svelte';

export default { preprocess: vitePreprocess() };
