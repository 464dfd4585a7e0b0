// The lab that `npm run lab -- new` begins with: small, complete, and proved like any other, so that its writer changes what
// works.

const text = (title: string) => `---
title: ${JSON.stringify(title)}
summary: After it a learner can leave a note in a machine, and knows who reads it.
era: today
level: first
minutes: 5
machines:
  - name: box
    kind: container
license: CC-BY-4.0
authors: [Your name]
---

One paragraph that says what will be seen, the surprising thing first. Your machine runs <Live command="uname -sr" />.

<Step id="note" title="Leave a note" watch>

A machine is a place to leave things. This one has a file of the lab already:

\`\`\`run
cat /root/welcome
\`\`\`

<Predict question="A file is written in the container. Where is it kept?" answers={["In the image", "In a layer of this container's own", "In the browser"]} right={1}>

The image is only read. What a container writes goes into a layer above it, and ends with the container.

</Predict>

Write a line into \`/root/note\`.

<Hint>

\`echo\` prints a line, and \`>\` sends it into a file.

</Hint>
<Hint when="is empty">

The file is there, and nothing is in it. Did the command before \`>\` print anything?

</Hint>

<Notes minutes={3}>

Ask the room what else is lost when a container ends, before anybody types.

</Notes>

</Step>

<Finish>

What a container writes is its own, and lasts as long as it does.

<Question question="What command prints a file?" accept={["cat"]}>

Others do too; this one does nothing else.

</Question>

</Finish>
`;

const check = `#!/bin/sh
# It only looks. $MACHINE is the machine's tree; the last line printed says what is missing.
note="$MACHINE/root/note"
if [ ! -f "$note" ]; then
    echo 'There is no file /root/note yet.'
    exit 1
fi
[ -s "$note" ] && exit 0
echo 'The file /root/note is empty.'
exit 1
`;

const solve = `#!/bin/sh
echo 'I was here.' > /root/note
`;

/** The files of a new lab, by their paths in its folder. */
export function skeleton(slug: string): Record<string, { text: string; mode: number }> {
  const words = slug.replaceAll('-', ' ');
  const title = words.charAt(0).toUpperCase() + words.slice(1);
  return {
    'lab.mdx': { text: text(title), mode: 0o644 },
    'steps/note/check': { text: check, mode: 0o755 },
    'steps/note/solve': { text: solve, mode: 0o755 },
    'files/root/welcome': { text: 'You are in. Leave a note.\n', mode: 0o644 },
  };
}
