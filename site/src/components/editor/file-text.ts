// The bytes of a file as text that can be edited and put back as it was, or why it cannot.
import type { FilePart } from '@bulkhead/sandbox-server/protocol';
import { language } from '../../words/words.ts';
import { say } from './words.ts';

export type FileText =
  | { text: string; eol: '\n' | '\r\n'; readOnly: string | null }
  /** Why it is not shown, in a sentence. */
  | { refused: string };

/** Between editor and file there is one kind of line end; `eol` is the file's. */
export function textOf({ content, more, size, mode }: FilePart): FileText {
  const kib = Math.round(size / 1_024).toLocaleString(language);
  if (more) {
    return { refused: size > 0 ? say('refused.large', { kib }) : say('refused.endless') };
  }
  const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return { refused: say('refused.binary') };
  }
  if (text.includes('\0')) return { refused: say('refused.binary') };
  const bare = text.replaceAll('\r\n', '');
  const eol = text.includes('\r\n') ? '\r\n' : '\n';
  if (bare.includes('\r') || (eol === '\r\n' && bare.includes('\n'))) {
    return { text, eol: '\n', readOnly: say('readOnly.lineEnds') };
  }
  const readOnly = (mode & 0o222) === 0 ? say('readOnly.mode') : null;
  return { text: text.replaceAll('\r\n', '\n'), eol, readOnly };
}

/** As `file.write` takes it. */
export function contentOf(text: string, eol: '\n' | '\r\n'): string {
  const bytes = new TextEncoder().encode(eol === '\n' ? text : text.replaceAll('\n', eol));
  let letters = '';
  // In pieces, because a call takes only so many arguments.
  for (let at = 0; at < bytes.length; at += 8_192)
    letters += String.fromCharCode(...bytes.subarray(at, at + 8_192));
  return btoa(letters);
}
