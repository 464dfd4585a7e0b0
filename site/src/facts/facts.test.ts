import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { collectionNames, type FactTexts, markOfCell, notesOfCell, parseFacts, readFacts } from './facts.ts';

const source = `
losh: { author: Warner Losh, title: Whither chroot?, year: 2020, url: 'https://example.org/', trust: opened, for: chroot }
cks: { author: Chris Siebenmann, title: History of chroot, year: undated, where: search for it, trust: opened, for: it }
`;
const entry = (more = '', date = "on: '1979', certainty: sourced, sources: [losh]") => `
chroot:
  title: chroot
  short: chroot
  date: { ${date} }
  category: os
  kind: chroot
  era: early
  what: it changes /
  matters: a name
  isolates: files
  shares: the rest
  walls: [names]
  today: pivot_root
  sources: [losh]
  ${more}
`;

/** Documents that are in order, with some replaced. */
function documents(replaced: Partial<FactTexts> = {}): FactTexts {
  return {
    sources: source,
    eras: 'early: { title: Early, page: early, from: 1959, to: 1983, summary: before }',
    timeline: entry(),
    claims:
      'c1: { number: 1, part: one, claim: it is, verdict: right, in2013: it was, now: it is, see: ls, tried: true, sources: [], experiment: { setup: none, because: it is over } }',
    technologies: 'jail: { label: a jail, short: jail, kind: jail, says: FreeBSD }',
    properties:
      "own-kernel: { number: 1, label: own kernel, cells: { jail: 'no [1]' }, experiment: { setup: none, because: it is so } }",
    notes: 'n1: { number: 1, text: it has not, sources: [cks] }',
    figures:
      'f: { group: start, title: t, setting: s, unit: ms, better: less, values: [{ label: a, value: 1 }], sources: [losh] }',
    glossary: 'jail: { term: jail, says: FreeBSD has it }',
    ...replaced,
  };
}

describe('facts', () => {
  it('are taken when they hold together', () => {
    const facts = parseFacts(documents());
    expect(facts.timeline.get('chroot')?.date.on).toBe('1979');
    expect(facts.sources.get('losh')?.year).toBe(2020);
  });

  it.each(collectionNames)('refuse a key that %s does not know', (name) => {
    const text = documents()[name];
    const bad = name === 'timeline' ? entry('colour: red') : text.replace(/\}\s*$/, ', colour: red }');
    expect(() => parseFacts(documents({ [name]: bad }))).toThrow(`${name}.yaml`);
    expect(() => parseFacts(documents({ [name]: bad }))).toThrow(/colour/);
  });

  it.each([
    ['a timeline entry', { timeline: entry().replace('[losh]', '[gossip]') }],
    ['a date', { timeline: entry('', "on: '1979', certainty: sourced, sources: [gossip]") }],
    [
      'an account of a disputed date',
      {
        timeline: entry(
          '',
          "on: '1979', certainty: disputed, sources: [losh], accounts: [{ says: a, sources: [losh] }, { says: b, sources: [gossip] }]",
        ),
      },
    ],
    ['a claim', { claims: documents().claims.replace('sources: []', 'sources: [gossip]') }],
    ['a note', { notes: documents().notes.replace('cks', 'gossip') }],
    ['a figure', { figures: documents().figures.replace('losh', 'gossip') }],
  ] satisfies [string, Partial<FactTexts>][])('refuse a source that does not exist in %s', (_, bad) => {
    expect(() => parseFacts(documents(bad))).toThrow('there is no source gossip');
  });

  it.each([
    ['nothing at all', '', /experiment/],
    ['a shell without a command', ', experiment: { setup: pair, commands: [], shows: it }', /commands/],
    [
      'a command without what to look for',
      ', experiment: { setup: pair, commands: [{ command: ls }], shows: it }',
      /look/,
    ],
    ['no reason why there is none', ', experiment: { setup: none }', /because/],
    ['a machine that no setup has', ', experiment: { setup: lpar, because: it is }', /setup/],
  ])('refuse a claim with %s to try', (_what, experiment, message) => {
    const claims = documents().claims.replace(/, experiment: \{.*?\}/, experiment);
    expect(() => parseFacts(documents({ claims }))).toThrow(message);
  });

  it('refuse a date without a source', () => {
    const nothing = entry('', "on: '1979', certainty: sourced");
    expect(() => parseFacts(documents({ timeline: nothing }))).toThrow('chroot.date.sources');
    const empty = entry('', "on: '1979', certainty: sourced, sources: []");
    expect(() => parseFacts(documents({ timeline: empty }))).toThrow('names no source');
  });

  it('refuse a date that is none', () => {
    for (const on of ['1979-13', '79', '1979-01-32', 'spring']) {
      const bad = entry('', `on: '${on}', certainty: sourced, sources: [losh]`);
      expect(() => parseFacts(documents({ timeline: bad })), on).toThrow('must be YYYY');
    }
    const backwards = entry('', "on: '1979', to: '1978', certainty: sourced, sources: [losh]");
    expect(() => parseFacts(documents({ timeline: backwards }))).toThrow('ends before it begins');
  });

  it('refuse a dispute without its accounts, and accounts without a dispute', () => {
    const silent = entry('', "on: '1979', certainty: disputed, sources: [losh]");
    expect(() => parseFacts(documents({ timeline: silent }))).toThrow('tells its accounts');
    const idle = entry(
      '',
      "on: '1979', certainty: sourced, sources: [losh], accounts: [{ says: a, sources: [losh] }, { says: b, sources: [cks] }]",
    );
    expect(() => parseFacts(documents({ timeline: idle }))).toThrow('tells its accounts');
  });

  it('refuse an era, a technology or a note that does not exist', () => {
    expect(() => parseFacts(documents({ timeline: entry().replace('era: early', 'era: late') }))).toThrow(
      'there is no era late',
    );
    const properties = documents().properties;
    expect(() => parseFacts(documents({ properties: properties.replace('[1]', '[2]') }))).toThrow(
      'there is no note 2',
    );
    expect(() => parseFacts(documents({ properties: properties.replace('jail:', 'zone:') }))).toThrow(
      /says nothing of jail[\s\S]*there is no technology zone/,
    );
  });

  it('refuse a claim or a figure that rests on nothing', () => {
    const claims = documents().claims.replace('tried: true', 'tried: false');
    expect(() => parseFacts(documents({ claims }))).toThrow('neither a source nor an experiment');
    const figures = documents().figures.replace('[losh]', '[]');
    expect(() => parseFacts(documents({ figures }))).toThrow('neither sourced nor ours');
  });

  it('refuse two entries with one name, and what is no YAML', () => {
    expect(() =>
      parseFacts(documents({ glossary: 'a: { term: a, says: b }\na: { term: a, says: c }' })),
    ).toThrow('glossary.yaml');
    expect(() => parseFacts(documents({ notes: '[' }))).toThrow('notes.yaml');
    expect(() => parseFacts(documents({ notes: '- a' }))).toThrow('must be a mapping');
  });

  it('tell everything that is wrong at once', () => {
    const bad = documents({
      timeline: entry('colour: red'),
      notes: 'n1: { number: one, text: x, sources: [] }',
    });
    expect(() => parseFacts(bad)).toThrow(/timeline\.yaml: chroot[\s\S]*notes\.yaml: n1\.number/);
  });
});

describe("the site's own facts", () => {
  const facts = readFacts(join(import.meta.dirname, '../content/facts'));

  it('are as many as there are to tell', () => {
    expect(facts.timeline.size).toBeGreaterThanOrEqual(60);
    expect(facts.claims.size).toBe(48);
    expect(facts.properties.size).toBe(22);
    expect(facts.technologies.size).toBe(12);
    expect(facts.glossary.size).toBeGreaterThanOrEqual(85);
  });

  it('number claims, properties and notes without gaps', () => {
    for (const name of ['claims', 'properties', 'notes'] as const) {
      const numbers = [...facts[name].values()].map(({ number }) => number);
      expect(numbers, name).toEqual(numbers.map((_, index) => index + 1));
    }
  });

  it('point to every note from some cell', () => {
    const cells = [...facts.properties.values()].flatMap(({ cells }) => Object.values(cells));
    const noted = new Set(cells.flatMap(notesOfCell));
    expect(
      [...facts.notes.values()].map(({ number }) => number).filter((number) => !noted.has(number)),
    ).toEqual([]);
  });

  it('lean on nothing secondary where they call a date sourced', () => {
    const leaning = [...facts.timeline].filter(
      ([, { date }]) =>
        date.certainty === 'sourced' &&
        date.sources.every((key) => facts.sources.get(key)?.trust === 'secondary'),
    );
    expect(leaning.map(([id]) => id)).toEqual([]);
  });
});

describe('a cell of the matrix', () => {
  it('is a mark and its notes', () => {
    expect(notesOfCell('partly [2,14]')).toEqual([2, 14]);
    expect(notesOfCell('yes')).toEqual([]);
    expect(markOfCell('partly [2,14]')).toBe('partly');
    expect(markOfCell('0.1 to 1 s')).toBe('0.1 to 1 s');
  });
});
