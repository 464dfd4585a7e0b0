// SELinux's Common Intermediate Language, for colours: statements in parentheses, names, and comments after a semicolon
// (the CIL reference guide of the SELinux project).
import type { languages } from 'monaco-editor/editor';

export const cilConfiguration: languages.LanguageConfiguration = {
  comments: { lineComment: ';' },
  brackets: [['(', ')']],
  autoClosingPairs: [
    { open: '(', close: ')' },
    { open: '"', close: '"' },
  ],
};

/** Statements that declare something, or give it a property. */
const statements = [
  ...['allow', 'allowx', 'auditallow', 'auditallowx', 'dontaudit', 'dontauditx', 'neverallow', 'neverallowx', 'deny'],
  ...['block', 'blockabstract', 'blockinherit', 'boolean', 'booleanif', 'tunable', 'tunableif', 'call', 'macro', 'in', 'optional'],
  ...['category', 'categoryalias', 'categoryaliasactual', 'categoryorder', 'categoryset', 'sensitivity', 'sensitivitycategory', 'sensitivityorder'],
  ...['class', 'classcommon', 'classmap', 'classmapping', 'classorder', 'classpermission', 'classpermissionset', 'common', 'permissionx'],
  ...['constrain', 'mlsconstrain', 'validatetrans', 'mlsvalidatetrans', 'defaultrange', 'defaultrole', 'defaulttype', 'defaultuser'],
  ...['context', 'filecon', 'fsuse', 'genfscon', 'netifcon', 'nodecon', 'portcon', 'ibpkeycon', 'ibendportcon', 'ipaddr'],
  ...['handleunknown', 'mls', 'policycap', 'sid', 'sidcontext', 'sidorder', 'level', 'levelrange', 'rangetransition'],
  ...['role', 'roleallow', 'roleattribute', 'roleattributeset', 'rolebounds', 'roletransition', 'roletype'],
  ...['type', 'typealias', 'typealiasactual', 'typeattribute', 'typeattributeset', 'typebounds', 'typechange', 'typemember', 'typepermissive', 'typetransition', 'expandtypeattribute'],
  ...['user', 'userattribute', 'userattributeset', 'userbounds', 'userlevel', 'userprefix', 'userrange', 'userrole', 'selinuxuser', 'selinuxuserdefault'],
]; // biome-ignore format: one group of statements a line

export const cilLanguage: languages.IMonarchLanguage = {
  statements,
  operators: ['and', 'or', 'xor', 'not', 'all', 'eq', 'neq', 'dom', 'domby', 'incomp', 'range', 'true', 'false'],
  tokenizer: {
    root: [
      [/\(/, 'delimiter.parenthesis', '@head'],
      [/\)/, 'delimiter.parenthesis'],
      [/;.*$/, 'comment'],
      [/"[^"]*"/, 'string'],
      [/\d[\w.:]*/, 'number'],
      [/[A-Za-z_@$*/.-][\w@$*/.:-]*/, { cases: { '@operators': 'operator', '@default': 'identifier' } }],
    ],
    // The first word in parentheses says what is stated; elsewhere the same word is only a name.
    head: [
      [/\s+/, 'white'],
      [/[a-z][\w-]*/, { cases: { '@statements': { token: 'keyword', next: '@pop' }, '@operators': { token: 'operator', next: '@pop' }, '@default': { token: 'identifier', next: '@pop' } } }],
      [/(?=.)/, '', '@pop'],
    ],
  },
}; // biome-ignore format: one rule a line
