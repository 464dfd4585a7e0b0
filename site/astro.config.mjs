// The site is static: `astro build` needs no network and no server, and every page reads without JavaScript.

import { readdirSync, readFileSync } from 'node:fs';
import { satteri } from '@astrojs/markdown-satteri';
import mdx from '@astrojs/mdx';
import sitemap from '@astrojs/sitemap';
import starlight from '@astrojs/starlight';
import svelte from '@astrojs/svelte';
import { defineConfig } from 'astro/config';
import { monacoStyles } from './build/monaco-styles.mjs';
import { runBlocks } from './src/labs/run-blocks.ts';
import { offline } from './src/offline/integration.ts';
import { siteRoot } from './src/publish/address.ts';
import { compressed } from './src/publish/compress.ts';
import { inSitemap, publish } from './src/publish/integration.ts';

/** Starlight components that the project draws itself; the rest of Starlight (routing, data, headings) is used as it is. */
const own = (name) => `./src/components/starlight/${name}.astro`;

/** English at the root, every other language for which there are words (src/content/i18n) below its code. */
const words = new URL('./src/content/i18n/', import.meta.url);
const locales = Object.fromEntries(
  readdirSync(words).map((file) => {
    const lang = file.replace('.json', '');
    const said = JSON.parse(readFileSync(new URL(file, words), 'utf8'));
    const locale = { lang, label: said['bulkhead.language'], dir: said['bulkhead.direction'] };
    return [lang === 'en' ? 'root' : lang, locale];
  }),
);

export default defineConfig({
  // Pages find each other from the root, and scripts/static makes that relative where the site is a folder of another; only what
  // must be said in full needs to know where it will be read (src/publish/address.ts).
  site: new URL(siteRoot().root).origin,
  outDir: './dist',
  trailingSlash: 'always',
  build: { inlineStylesheets: 'never', assets: 'assets' },
  // Code on these pages is shell commands; a highlighter would add inline styles, which the server's policy forbids.
  markdown: { syntaxHighlight: false, processor: satteri({ mdastPlugins: [runBlocks] }) },
  prefetch: false,
  telemetry: false,
  vite: {
    build: { assetsInlineLimit: 0 },
    plugins: [monacoStyles()],
    // A worker is named like all else that is kept for ever, and found by its name where it needs a policy of its own.
    worker: {
      format: 'es',
      rollupOptions: {
        output: {
          entryFileNames: 'assets/[name].[hash].js',
          chunkFileNames: 'assets/[name].[hash].js',
          assetFileNames: 'assets/[name].[hash][extname]',
        },
      },
    },
    // Scripts find each other from where they are, not from the root of the host: the static build may be in any folder.
    experimental: {
      renderBuiltUrl: (_file, { hostType }) => (hostType === 'js' ? { relative: true } : undefined),
    },
    // Where only the site is served (`astro dev`), the API still lives in sandbox-server.
    server: { proxy: { '/api': { target: 'http://127.0.0.1:8080', ws: true, changeOrigin: false } } },
  },
  integrations: [
    starlight({
      title: 'Bulkhead',
      defaultLocale: 'root',
      locales,
      description: 'How computers are partitioned, taught with real containers and real virtual machines.',
      favicon: '/favicon.svg',
      credits: false,
      // The search has a dialog and an index of its own, with more in it than pages (src/publish/search-index.ts).
      pagefind: false,
      expressiveCode: false,
      disable404Route: true,
      markdown: { headingLinks: false },
      tableOfContents: { minHeadingLevel: 2, maxHeadingLevel: 2 },
      customCss: ['./src/styles/site.css', './src/styles/reading.css'],
      components: {
        Head: own('Head'),
        ThemeProvider: own('ThemeProvider'),
        SkipLink: own('SkipLink'),
        PageFrame: own('PageFrame'),
        Header: own('Header'),
        Sidebar: own('Sidebar'),
        TwoColumnContent: own('TwoColumnContent'),
        PageSidebar: own('PageSidebar'),
        ContentPanel: own('ContentPanel'),
        PageTitle: own('PageTitle'),
        MarkdownContent: own('MarkdownContent'),
        Footer: own('Footer'),
      },
      sidebar: [
        {
          label: 'History',
          items: [
            { label: 'The timeline', link: '/history/' },
            'history/one-expensive-machine',
            'history/big-machines',
            'history/bazaar',
            'history/linux-parts',
            'history/the-default',
            'history/walls-again',
          ],
        },
        {
          label: 'Concepts',
          items: [
            'concepts/what-is-divided',
            'concepts/process',
            'concepts/chroot',
            'concepts/namespaces',
            'concepts/limits',
            'concepts/capabilities-and-seccomp',
            'concepts/selinux',
            'concepts/images',
            'concepts/virtual-machines',
            'concepts/containers-and-vms',
            'concepts/faults',
            'concepts/moving',
            'concepts/density',
            'concepts/patching',
            'concepts/networks',
            'concepts/storage',
            'concepts/platforms',
          ],
        },
        {
          label: 'Reference',
          items: [
            { label: '2013, claim by claim', link: '/2013/' },
            { label: 'How your container was made', link: '/made/' },
            { label: 'The matrix', link: '/matrix/' },
            { label: 'Figures', link: '/figures/' },
            { label: 'Recordings', link: '/recordings/' },
            { label: 'Glossary', link: '/glossary/' },
            { label: 'Sources', link: '/sources/' },
          ],
        },
        { label: 'This site', items: ['about', 'further-reading'] },
      ],
    }),
    mdx(),
    svelte(),
    sitemap({ serialize: inSitemap }),
    publish(),
    offline(),
    compressed(),
  ],
});
