import { describe, expect, it } from 'vitest';
import { languageOf } from './languages.ts';

describe('the language of a file', () => {
  it.each([
    ['/root/box.c', '', 'c'],
    ['/root/x.d/policy.CIL', '', 'cil'],
    ['/etc/config.json', '', 'yaml'],
    ['/root/run', '#!/bin/sh\n', 'shell'],
    ['/root/run', '#!/usr/bin/env bash\n', 'shell'],
    ['/root/.bashrc', '', 'shell'],
    ['/root/run', '#!/usr/bin/python3\n', 'plaintext'],
    ['/root/c', '', 'plaintext'],
  ])('%s that begins with %j is %s', (path, text, language) => {
    expect(languageOf(path, text)).toBe(language);
  });
});
