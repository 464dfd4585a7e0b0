// The files that are open in the editor: what is in the machine, what is in the editor, and what to do when both have
// changed. It knows no UI, and loses nothing: text that is not in the machine is in the browser's storage.
import type { RequestFailed } from '../sandbox/api.ts';
import type { Drafts } from './drafts.ts';
import { contentOf, textOf } from './file-text.ts';
import type { MachineFiles } from './machine-files.ts';
import { say } from './words.ts';

export interface OpenFile {
  path: string;
  /** refused: it cannot be shown here, `problem` says why. */
  phase: 'reading' | 'open' | 'saving' | 'refused';
  /** In the editor. */
  text: string;
  /** In the machine, as far as is known; null: no such file. */
  saved: string | null;
  eol: '\n' | '\r\n';
  /** Counts how often `text` was replaced by something else than typing. */
  replaced: number;
  /** Why it cannot be changed, in a sentence. */
  readOnly: string | null;
  /** Both have changed: what the machine has now; null: the file is gone. */
  conflict: { theirs: string | null } | null;
  /** What went wrong last, in a sentence. */
  problem: string | null;
  /** What happened without the learner's doing, in a sentence. */
  notice: string | null;
  /** Unix time of the last save from here; 0: none. */
  savedAt: number;
}

export interface EditorView {
  files: readonly OpenFile[];
  /** Path of the file that is shown. */
  shown: string | null;
  /** Whether unsaved text can be kept in this browser. */
  keeps: boolean;
}

/** Not in the machine as it is in the editor; a file of which there is nothing in either is no loss. */
export const isUnsaved = ({ phase, text, saved }: OpenFile): boolean =>
  (phase === 'open' || phase === 'saving') && text !== (saved ?? '');

/** Milliseconds after which a file that was not there is looked for again: a lab's files come after its machine has begun. */
const EXPECT_MS = [500, 1_000, 2_000, 4_000, 8_000, 16_000];

export class EditorSession {
  readonly #files: MachineFiles;
  readonly #drafts: Drafts;
  readonly #listeners = new Set<(view: EditorView) => void>();
  readonly #unwatch: () => void;
  readonly #timers = new Set<ReturnType<typeof setTimeout>>();
  #view: EditorView = { files: [], shown: null, keeps: true };

  constructor(files: MachineFiles, drafts: Drafts) {
    this.#files = files;
    this.#drafts = drafts;
    this.#unwatch = files.watch(() => void this.look());
  }

  get view(): EditorView {
    return this.#view;
  }

  get shown(): OpenFile | undefined {
    return this.#file(this.#view.shown);
  }

  /** Svelte's store contract. */
  subscribe(listener: (view: EditorView) => void): () => void {
    this.#listeners.add(listener);
    listener(this.#view);
    return () => this.#listeners.delete(listener);
  }

  /** Shows a file; it is read unless it is open already. One that is not in the machine is there once it is saved. */
  async open(path: string): Promise<void> {
    const known = this.#file(path);
    if (known && known.phase !== 'refused') {
      this.#change({ shown: path });
      return;
    }
    const others = this.#view.files.filter((file) => file !== known);
    this.#change({ files: [...others, closed(path)], shown: path });
    try {
      const there = await this.#read(path);
      if (there && 'refused' in there) this.#set(path, { phase: 'refused', problem: there.refused });
      else this.#begin(path, there);
    } catch (error) {
      // The text that was not saved is here, whatever the machine says.
      const draft = this.#drafts.get(path);
      if (draft)
        this.#set(path, { phase: 'open', saved: draft.base, ...fresh(draft.text), problem: words(error) });
      else this.#set(path, { phase: 'refused', problem: words(error) });
    }
  }

  /** The learner's typing. */
  edit(path: string, text: string): void {
    const file = this.#file(path);
    if (!file || file.text === text || file.readOnly !== null) return;
    this.#set(path, { text, notice: null });
    this.#keep(path);
  }

  /** Puts the text into the machine. Resolves to whether it is there; `conflict` or `problem` says why not. */
  async save(path: string): Promise<boolean> {
    const file = this.#file(path);
    if (file?.phase !== 'open' || file.readOnly !== null) return file?.text === file?.saved;
    this.#set(path, { phase: 'saving', problem: null, notice: null });
    const { text } = file;
    try {
      const trouble = await this.#write(file);
      if (trouble) return this.#stay(path, trouble);
      this.#set(path, { phase: 'open', saved: text, conflict: null, savedAt: Date.now() });
      this.#keep(path);
      return true;
    } catch (error) {
      return this.#stay(path, { problem: words(error) });
    }
  }

  /** Ends a conflict. mine: over what the machine has; theirs: what the machine has; both: the machine's here, and mine in a
   * file beside it. Nothing is done unless the machine still has what was shown. */
  async resolve(path: string, choice: 'mine' | 'theirs' | 'both'): Promise<void> {
    const file = this.#file(path);
    if (!file?.conflict) return;
    const { theirs } = file.conflict;
    if (choice === 'mine') {
      this.#set(path, { saved: theirs, conflict: null });
      this.#keep(path);
      await this.save(path);
      return;
    }
    const beside = choice === 'both' ? await this.#putBeside(file) : undefined;
    if (beside === null) return;
    this.#drafts.drop(path);
    if (theirs === null) {
      this.close(path);
      return;
    }
    const notice = beside === undefined ? null : say('notice.beside', { path: beside });
    this.#set(path, { ...fresh(theirs, file), saved: theirs, conflict: null, notice });
  }

  /** Has the machine changed the file that is shown, or another? */
  async look(path = this.#view.shown): Promise<void> {
    const file = this.#file(path);
    if (file?.phase !== 'open') return;
    try {
      const there = await this.#read(file.path);
      const now = this.#file(file.path);
      // What was typed, saved or chosen meanwhile counts.
      if (now?.phase !== 'open' || now.saved !== file.saved) return;
      if (there && 'refused' in there) return;
      this.#compare(now, there?.text ?? null);
    } catch {
      // Asked by nobody: saving says what is wrong.
    }
  }

  /** Closes a file whose text is in the machine. */
  close(path: string): void {
    const files = this.#view.files.filter((file) => file.path !== path);
    const shown = this.#view.shown === path ? (files.at(-1)?.path ?? null) : this.#view.shown;
    this.#change({ files, shown });
  }

  dispose(): void {
    this.#unwatch();
    for (const timer of this.#timers) clearTimeout(timer);
    this.#listeners.clear();
  }

  /** A file that was just read, with the text that was not saved when this page was left. */
  #begin(path: string, there: { text: string; eol: '\n' | '\r\n'; readOnly: string | null } | null): void {
    const { text = '', eol = '\n', readOnly = null } = there ?? {};
    const saved = there?.text ?? null;
    const draft = readOnly === null ? this.#drafts.get(path) : undefined;
    const notice = there || draft ? null : say('notice.new');
    this.#set(path, { phase: 'open', eol, readOnly, saved, notice, ...fresh(draft?.text ?? text) });
    if (saved === null) this.#expect(path);
    if (!draft || draft.text === saved) this.#drafts.drop(path);
    else if (draft.base === saved) this.#set(path, { notice: say('notice.draft') });
    else this.#set(path, { conflict: { theirs: saved } });
  }

  #expect(path: string): void {
    for (const delay of EXPECT_MS) {
      const timer = setTimeout(() => {
        this.#timers.delete(timer);
        if (this.#file(path)?.saved === null) void this.look(path);
      }, delay);
      this.#timers.add(timer);
    }
  }

  #compare(file: OpenFile, theirs: string | null): void {
    const { path, saved, text } = file;
    if (theirs === saved) return;
    if (theirs === text) {
      this.#set(path, { saved: theirs, conflict: null });
    } else if (saved === null && text === '') {
      this.#set(path, { saved: theirs, ...fresh(theirs ?? '', file), notice: null });
    } else if (text !== saved) {
      if (file.conflict?.theirs !== theirs) this.#set(path, { conflict: { theirs } });
    } else if (theirs === null) {
      const notice = say('notice.gone');
      this.#set(path, { saved: null, notice });
    } else {
      const notice = say('notice.changed');
      this.#set(path, { saved: theirs, ...fresh(theirs, file), notice });
    }
    this.#keep(path);
  }

  /** Writes over what was read, and over nothing else: the machine looks and writes in one step. Resolves to what keeps it
   * from that, null: nothing did. */
  async #write({ path, text, saved, eol }: OpenFile): Promise<Partial<OpenFile> | null> {
    const over = (ends: OpenFile['eol']) =>
      this.#files.write({
        path,
        content: contentOf(text, ends),
        was: saved === null ? null : contentOf(saved, ends),
      });
    try {
      await over(eol);
      return null;
    } catch (error) {
      if (!isConflict(error)) throw error;
    }
    const there = await this.#read(path);
    if (there && 'refused' in there) return { problem: there.refused };
    const theirs = there?.text ?? null;
    if (theirs === text) return null;
    if (theirs !== saved) return { conflict: { theirs } };
    // Only its ends of lines have changed, and it keeps those.
    await over(there?.eol ?? eol);
    this.#set(path, { eol: there?.eol ?? eol });
    return null;
  }

  /** Where the text of a file was put; null: nowhere, and `problem` says why. */
  async #putBeside({ path, text, eol }: OpenFile): Promise<string | null> {
    try {
      let beside = `${path}.mine`;
      for (let count = 2; (await this.#read(beside)) !== null; count++) beside = `${path}.mine-${count}`;
      await this.#files.write({ path: beside, content: contentOf(text, eol), was: null });
      return beside;
    } catch (error) {
      this.#set(path, { problem: words(error) });
      return null;
    }
  }

  /** null: there is no such file. */
  async #read(path: string): Promise<ReturnType<typeof textOf> | null> {
    try {
      return textOf(await this.#files.read(path));
    } catch (error) {
      if ((error as RequestFailed).problem?.code === 'not_found') return null;
      throw error;
    }
  }

  #keep(path: string): void {
    const file = this.#file(path);
    if (!file) return;
    if (!isUnsaved(file)) {
      this.#drafts.drop(path);
      return;
    }
    const keeps = this.#drafts.keep(path, { text: file.text, base: file.saved });
    if (keeps !== this.#view.keeps) this.#change({ keeps });
  }

  #stay(path: string, more: Partial<OpenFile>): false {
    this.#set(path, { phase: 'open', ...more });
    return false;
  }

  #file(path: string | null): OpenFile | undefined {
    return this.#view.files.find((file) => file.path === path);
  }

  #set(path: string, more: Partial<OpenFile>): void {
    this.#change({
      files: this.#view.files.map((file) => (file.path === path ? { ...file, ...more } : file)),
    });
  }

  #change(more: Partial<EditorView>): void {
    this.#view = { ...this.#view, ...more };
    for (const listener of [...this.#listeners]) listener(this.#view);
  }
}

const closed = (path: string): OpenFile => ({
  path,
  phase: 'reading',
  text: '',
  saved: null,
  eol: '\n',
  replaced: 0,
  readOnly: null,
  conflict: null,
  problem: null,
  notice: null,
  savedAt: 0,
});

/** Text that did not come from typing. */
const fresh = (text: string, before?: OpenFile) => ({ text, replaced: (before?.replaced ?? 0) + 1 });

const isConflict = (error: unknown) => (error as RequestFailed).problem?.code === 'conflict';

function words(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
