// A recording in a page: one button, until somebody wants to see it. Then the player, the terminal and the recording load.

class TerminalRecording extends HTMLElement {
  connectedCallback(): void {
    const button = this.querySelector('button');
    if (!button) return;
    button.disabled = false;
    button.addEventListener('click', async () => {
      button.disabled = true;
      const { cast = '', title = '', failed = '' } = this.dataset;
      try {
        const [{ mount }, { default: Player }, { parseCast }, response] = await Promise.all([
          import('svelte'),
          import('./Player.svelte'),
          import('./asciicast.ts'),
          fetch(cast),
        ]);
        if (!response.ok) throw new Error(`${cast} answered ${response.status}`);
        mount(Player, { target: this, props: { cast: parseCast(await response.text()), title } });
        button.remove();
      } catch (error) {
        button.disabled = false;
        button.textContent = failed.replace(
          '{reason}',
          error instanceof Error ? error.message : String(error),
        );
      }
    });
  }
}

customElements.define('terminal-recording', TerminalRecording);
