// Monaco's modules import their style sheets. Left to themselves these would be linked from every page that could ever load
// Monaco (and be one sheet of all its parts); here each comes with the module that wants it, as a constructed style sheet.
import { dirname, resolve } from 'node:path';

const PREFIX = '\0monaco-style:';

export function monacoStyles() {
  return {
    name: 'bulkhead:monaco-styles',
    enforce: 'pre',
    resolveId(source, importer) {
      if (!source.endsWith('.css') || !importer?.includes('/node_modules/monaco-editor/')) return null;
      // Another ending, so that nothing else takes it for a style sheet.
      return `${PREFIX}${resolve(dirname(importer), source)}.js`;
    },
    load(id) {
      if (!id.startsWith(PREFIX)) return null;
      const path = id.slice(PREFIX.length, -'.js'.length);
      return {
        code: `import css from ${JSON.stringify(`${path}?inline`)};
const sheet = new CSSStyleSheet();
sheet.replaceSync(css);
document.adoptedStyleSheets.push(sheet);`,
        moduleSideEffects: true,
      };
    },
  };
}
