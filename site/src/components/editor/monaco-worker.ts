// Monaco's own worker, from this origin.
import 'monaco-editor/editor/editor.worker';
