import { expect, test } from 'vitest';
import { licencesIn } from '../../labs/images/tab/licences.ts';

test('a copyright file that programs can read names its licences', () => {
  const copyright = `Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Files: *
Copyright: 1987 Somebody
License: GPL-3+

Files: lib/fts.c
Copyright: 1989 The Regents
License: GPL-3+ and BSD-4-clause-UC

License: GPL-3+
 This program is free software.
`;
  expect(licencesIn(copyright)).toEqual(['GPL-3+', 'GPL-3+ and BSD-4-clause-UC']);
});

test('an older one is known by where it points and by its words', () => {
  const copyright = `This package was debianized by Somebody.
On Debian systems, the text is in \`/usr/share/common-licenses/LGPL-2.1'.
Other files: Redistribution and use in source
and binary forms, with or without modification, are permitted. See /usr/share/common-licenses/GPL-2.`;
  expect(licencesIn(copyright)).toEqual(['LGPL-2.1', 'GPL-2', 'BSD']);
  expect(licencesIn('All of it was made by hand.')).toEqual([]);
});
