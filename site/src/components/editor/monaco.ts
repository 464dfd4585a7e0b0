// Monaco: only the parts of it that a learner's files need. This module and all below it are fetched when an editor is first
// opened, and never before.
import 'monaco-editor/features/bracketMatching/register';
import 'monaco-editor/features/caretOperations/register';
import 'monaco-editor/features/clipboard/register';
import 'monaco-editor/features/codicon/register';
import 'monaco-editor/features/comment/register';
import 'monaco-editor/features/cursorUndo/register';
import 'monaco-editor/features/find/register';
import 'monaco-editor/features/folding/register';
import 'monaco-editor/features/indentation/register';
import 'monaco-editor/features/linesOperations/register';
import 'monaco-editor/features/multicursor/register';
import 'monaco-editor/features/smartSelect/register';
import 'monaco-editor/features/wordOperations/register';
import 'monaco-editor/languages/definitions/cpp/register';
import 'monaco-editor/languages/definitions/shell/register';
import 'monaco-editor/languages/definitions/yaml/register';
import { editor, languages } from 'monaco-editor/editor';
import { cilConfiguration, cilLanguage } from './cil.ts';

languages.register({ id: 'cil', extensions: ['.cil'] });
languages.setLanguageConfiguration('cil', cilConfiguration);
languages.setMonarchTokensProvider('cil', cilLanguage);

self.MonacoEnvironment = {
  getWorker: () => new Worker(new URL('./monaco-worker.ts', import.meta.url), { type: 'module' }),
};

export interface Wish {
  ariaLabel: string;
  readOnly: boolean;
  screenReader: boolean;
}

export function makeEditor(place: HTMLElement, { ariaLabel, readOnly, screenReader }: Wish) {
  dress(place);
  return editor.create(place, {
    model: null,
    ariaLabel,
    readOnly,
    accessibilitySupport: screenReader ? 'on' : 'auto',
    automaticLayout: true,
    // A text area takes the keys, as everywhere else on the page: an EditContext is no field to whoever looks whether the
    // learner is typing, be it the page's own shortcuts or a screen reader.
    editContext: false,
    fontFamily: '"Plex Mono", ui-monospace, monospace',
    fontSize: 14,
    lineHeight: 1.5,
    lineNumbersMinChars: 3,
    minimap: { enabled: false },
    overviewRulerBorder: false,
    overviewRulerLanes: 0,
    padding: { top: 8, bottom: 8 },
    renderFinalNewline: 'on',
    renderLineHighlight: 'line',
    scrollBeyondLastLine: false,
    // The page scrolls on where the text ends.
    scrollbar: { alwaysConsumeMouseWheel: false },
    // What these would need is not loaded.
    contextmenu: false,
    hover: { enabled: 'off' },
    links: false,
    occurrencesHighlight: 'off',
    quickSuggestions: false,
    wordBasedSuggestions: 'off',
  });
}

/** A text with C's indentation, unless its own says otherwise. */
export function modelFor(text: string, language: string): editor.ITextModel {
  const model = editor.createModel(text, language);
  model.setEOL(editor.EndOfLineSequence.LF);
  model.detectIndentation(true, 4);
  // Six colours for brackets, none of them the page's.
  model.updateOptions({
    bracketColorizationOptions: { enabled: false, independentColorPoolPerBracketType: false },
  });
  return model;
}

/** As an edit, so that undo brings the text before it back. */
export function replaceText(model: editor.ITextModel, text: string): void {
  if (model.getValue() === text) return;
  model.pushStackElement();
  model.pushEditOperations([], [{ range: model.getFullModelRange(), text }], () => null);
  model.pushStackElement();
}

/** Of Monaco's kinds of token, which has which of the page's colours. */
const inks: readonly (readonly [token: string, variable: string, style?: string])[] = [
  ['', '--ink'],
  ['comment', '--ink-soft', 'italic'],
  ['keyword', '--container'],
  ['keyword.directive', '--hardware'],
  ['string', '--zone'],
  ['number', '--vm'],
  ['operator', '--ink'],
  ['type', '--labels'],
  ['variable', '--vm'],
  ['delimiter', '--ink-soft'],
  ['metatag', '--hardware'],
  ['annotation', '--hardware'],
];

/** Gives every editor of the page the colours that the page has at `place`. */
export function dress(place: HTMLElement): void {
  const colour = coloursAt(place);
  const dark = getComputedStyle(place).colorScheme === 'dark' || isDark(colour('--ground'));
  editor.defineTheme('bulkhead', {
    base: dark ? 'vs-dark' : 'vs',
    inherit: false,
    rules: inks.map(([token, variable, style]) => ({
      token,
      foreground: colour(variable).slice(1),
      ...(style && { fontStyle: style }),
    })),
    colors: {
      'editor.background': colour('--raised'),
      'editor.foreground': colour('--ink'),
      'editorCursor.foreground': colour('--ink'),
      'editorLineNumber.foreground': colour('--ink-soft'),
      'editorLineNumber.activeForeground': colour('--ink'),
      'editor.lineHighlightBackground': colour('--sunk'),
      'editor.selectionBackground': dark ? '#2d4a63' : '#cfe0ea',
      'editor.findMatchBackground': dark ? '#6b5a1a' : '#f3dc8a',
      'editor.findMatchHighlightBackground': dark ? '#3f3a20' : '#f7ecc4',
      'editorBracketMatch.background': colour('--sunk'),
      'editorBracketMatch.border': colour('--line-strong'),
      'editorIndentGuide.background1': colour('--line'),
      'editorIndentGuide.activeBackground1': colour('--line-strong'),
      'editorWidget.background': colour('--sunk'),
      'editorWidget.foreground': colour('--ink'),
      'editorWidget.border': colour('--line-strong'),
      'input.background': colour('--raised'),
      'input.foreground': colour('--ink'),
      'input.border': colour('--line-strong'),
      'scrollbarSlider.background': `${colour('--line-strong')}66`,
      'scrollbarSlider.hoverBackground': `${colour('--line-strong')}99`,
      'scrollbarSlider.activeBackground': colour('--line-strong'),
      focusBorder: colour('--focus'),
    },
  });
  editor.setTheme('bulkhead');
}

/** What a variable of the page's style sheet comes to there, as #rrggbb; Monaco knows no other way to say a colour. */
function coloursAt(place: HTMLElement): (variable: string) => string {
  const probe = document.createElement('span');
  place.append(probe);
  const all = [
    '--ground',
    '--raised',
    '--sunk',
    '--line',
    '--line-strong',
    '--focus',
    ...inks.map(([, name]) => name),
  ];
  const found = new Map(
    all.map((variable) => {
      probe.style.color = `var(${variable})`;
      const parts = getComputedStyle(probe).color.match(/\d+/g) ?? [];
      const hex = parts.slice(0, 3).map((part) => Number(part).toString(16).padStart(2, '0'));
      return [variable, `#${hex.join('')}`];
    }),
  );
  probe.remove();
  return (variable) => found.get(variable) ?? '#808080';
}

const isDark = (hex: string): boolean => Number.parseInt(hex.slice(1, 3), 16) < 128;
