// Which licences a Debian package's copyright file names.

/** https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/ begins so. */
const MACHINE_READABLE = /^Format(-Specification)?:/i;

/** Licences that older files tell by their words. */
const BY_WORDS: readonly [RegExp, string][] = [
  [/Redistribution\s+and\s+use\s+in\s+source\s+and\s+binary\s+forms/i, 'BSD'],
  [/Permission\s+is\s+hereby\s+granted,\s+free\s+of\s+charge/i, 'MIT'],
  [/\bpublic\s+domain\b/i, 'public domain'],
];

/** Their short names, each once, in the order in which the file has them; none if it can only be read by a person. */
export function licencesIn(copyright: string): string[] {
  const found = MACHINE_READABLE.test(copyright)
    ? [...copyright.matchAll(/^License:[ \t]*(\S.*)$/gm)].map(([, name = '']) => name.trim())
    : [
        ...[...copyright.matchAll(/\/usr\/share\/common-licenses\/([A-Z][\w.-]*\w)/g)].map(
          ([, name = '']) => name,
        ),
        ...BY_WORDS.flatMap(([words, name]) => (words.test(copyright) ? [name] : [])),
      ];
  return [...new Set(found)];
}
