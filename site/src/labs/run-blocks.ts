// Makes the blocks ```run of a lab's text what they are on its page: commands that are typed on a click.
import { defineMdastPlugin } from 'satteri';
import { runOf } from './text.ts';

const attribute = (name: string, value: string) => ({ type: 'mdxJsxAttribute' as const, name, value });

export const runBlocks = defineMdastPlugin({
  name: 'run-blocks',
  code(node) {
    if (node.lang !== 'run') return;
    const { machine, terminal = 1 } = runOf(node.meta ?? '');
    return {
      type: 'mdxJsxFlowElement' as const,
      name: 'Run',
      attributes: [
        attribute('command', node.value),
        attribute('terminal', String(terminal)),
        ...(machine ? [attribute('machine', machine)] : []),
      ],
      children: [],
    };
  },
});
