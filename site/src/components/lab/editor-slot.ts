// Where the editor comes from when it is first opened: a component with these properties, and nothing of it before.
import type { Component } from 'svelte';
import type { SandboxSession } from '../sandbox/sandbox-session.ts';

export interface EditorProps {
  /** Its machines: a store, and `ask` for files and directories. */
  session: SandboxSession;
  /** The lab's slug: under which unsaved text is kept. */
  lab: string;
  machine: string;
  /** The file to show; changes when the learner opens another from the text. */
  path: string;
  /** What Run types. */
  run: string | undefined;
  screenReader: boolean;
  onrun: (command: string) => void;
}

export const loadEditor = (): Promise<Component<EditorProps>> =>
  import('../editor/LabEditor.svelte').then((loaded) => loaded.default);
