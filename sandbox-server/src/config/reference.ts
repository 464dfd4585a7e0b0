// The settings in words: docs/configuration.md, and the file that an installation begins with. Both are made from the
// schema, so neither can be wrong about it.
import type { ZodType } from 'zod';

interface Settings {
  fields: Readonly<Record<string, ZodType>>;
  /** By name: what holds where a file says nothing. */
  defaults: Readonly<Record<string, string>>;
  /** Names of those that are the broker's; it reads them when it starts. */
  brokers: readonly string[];
}

const ofBoth = new Set(['state', 'log-level']);

const INTRODUCTION = `# Configuration

<!-- Made by \`npm run operate -- config reference\`; a test holds it to the schema. -->

A file in YAML, one setting a line:

\`\`\`yaml
port: 8080
public-url: [https://bulkhead.example.org]
nesting: vm
\`\`\`

\`\`\`sh
npm run operate -- config check bulkhead.yaml   # every mistake at once, each with its line
npm start -- --config bulkhead.yaml             # an installed server reads /etc/bulkhead/bulkhead.yaml
\`\`\`

The command line wins over the environment (\`BULKHEAD_PUBLIC_URL\` for \`public-url\`), that over the file, and that over the default. A list may be written as one, or as a text with
commas. A file with a mistake in it starts nothing: what is refused says what would be right.
`;

/** docs/configuration.md. */
export function referencePage({ fields, defaults, brokers }: Settings): string {
  const rows = Object.entries(fields).map(([name, field]) => {
    const usual = defaults[name] === '' ? 'none' : `\`${shown(name, defaults)}\``;
    const reader = ofBoth.has(name) ? 'both' : brokers.includes(name) ? 'broker' : 'server';
    return `| \`${name}\` | ${field.description ?? ''} | ${usual} | ${reader} |`;
  });
  const table = ['| setting | what | default | read by |', '| --- | --- | --- | --- |', ...rows];
  const after =
    'What a service reads takes effect when it is started again. Under systemd that ends no machine and no terminal.\n';
  return `${INTRODUCTION}\n${table.join('\n')}\n\n${after}`;
}

/** A file in which every setting is explained and none is set. */
export function exampleFile({ fields, defaults }: Settings): string {
  const head =
    '# Bulkhead. Take the # from a line to set it; `bulkhead-operate config check` says what is wrong.\n';
  const settings = Object.entries(fields).map(([name, field]) => {
    return `# ${sentence(field.description ?? '')}\n#${name}: ${shown(name, defaults)}`.trimEnd();
  });
  return `${head}\n${settings.join('\n\n')}\n`;
}

/** The site's and the labs' place is wherever this program is. */
function shown(name: string, defaults: Settings['defaults']): string {
  const ours: Record<string, string> = {
    site: 'site/dist of this installation',
    labs: 'labs of this installation',
  };
  return ours[name] ?? defaults[name] ?? '';
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}
