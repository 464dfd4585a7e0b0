// Opens a shell in a reading page when it is asked for, and only then loads what that takes.

class TryIt extends HTMLElement {
  connectedCallback(): void {
    const button = this.querySelector('button');
    const place = this.querySelector('.shell');
    if (!button || !place) return;
    button.disabled = false;
    button.addEventListener('click', async () => {
      button.disabled = true;
      const [{ mount }, { default: InlineShell }] = await Promise.all([
        import('svelte'),
        import('../sandbox/InlineShell.svelte'),
      ]);
      const commands: string[] = JSON.parse(this.dataset.commands ?? '[]');
      const profile = this.dataset.profile === 'nested' ? 'nested' : 'hardened';
      mount(InlineShell, { target: place, props: { commands, profile } });
      button.hidden = true;
    });
  }
}

customElements.define('try-it', TryIt);
