// Which language a file is in, by its name and, for scripts without an ending, by its first line.

const byEnding: Readonly<Record<string, string>> = {
  c: 'c',
  h: 'c',
  sh: 'shell',
  bash: 'shell',
  // Every JSON text is YAML as well, and colouring asks for no more.
  json: 'yaml',
  yaml: 'yaml',
  yml: 'yaml',
  cil: 'cil',
};

/** The id by which the editor knows the language; "plaintext" for all others. */
export function languageOf(path: string, text: string): string {
  const name = path.slice(path.lastIndexOf('/') + 1);
  const dot = name.lastIndexOf('.');
  const known = dot > 0 ? byEnding[name.slice(dot + 1).toLowerCase()] : undefined;
  if (known) return known;
  if (/^#!\s*\S*\/(env\s+)?(ba|da)?sh\b/.test(text)) return 'shell';
  return /^\.?(bashrc|profile|bash_profile)$/.test(name) ? 'shell' : 'plaintext';
}
