// The bytes of a file as text that can be edited and put back as it was, or why it cannot.
import type { FilePart } from '@bulkhead/sandbox-server/protocol';

export type FileText =
  | { text: string; eol: '\n' | '\r\n'; readOnly: string | null }
  /** Why it is not shown, in a sentence. */
  | { refused: string };

/** Between editor and file there is one kind of line end; `eol` is the file's. */
export function textOf({ content, more, size, mode }: FilePart): FileText {
  const kib = Math.round(size / 1_024).toLocaleString('en');
  if (more) {
    const how = size > 0 ? `It has ${kib} KiB, and the editor takes 256.` : 'It is longer than 256 KiB.';
    return { refused: `${how} Look at it in the terminal, with less.` };
  }
  const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return { refused: binary };
  }
  if (text.includes('\0')) return { refused: binary };
  const bare = text.replaceAll('\r\n', '');
  const eol = text.includes('\r\n') ? '\r\n' : '\n';
  if (bare.includes('\r') || (eol === '\r\n' && bare.includes('\n'))) {
    return { text, eol: '\n', readOnly: 'Its lines end in several ways, which saving would make one.' };
  }
  const readOnly = (mode & 0o222) === 0 ? 'Its mode lets nobody write to it.' : null;
  return { text: text.replaceAll('\r\n', '\n'), eol, readOnly };
}

const binary = 'It is no text in UTF-8. Look at it in the terminal, with od -c or strings.';

/** As `file.write` takes it. */
export function contentOf(text: string, eol: '\n' | '\r\n'): string {
  const bytes = new TextEncoder().encode(eol === '\n' ? text : text.replaceAll('\n', eol));
  let letters = '';
  // In pieces, because a call takes only so many arguments.
  for (let at = 0; at < bytes.length; at += 8_192)
    letters += String.fromCharCode(...bytes.subarray(at, at + 8_192));
  return btoa(letters);
}
