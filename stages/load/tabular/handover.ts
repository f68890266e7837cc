/** Hands what a function makes to a loop that takes it, with nothing between them but what the function makes at a time. */
export class Handover<T> {
  private readonly items: T[] = []
  /** Wakes whoever waits for a change. */
  private wake: () => void = () => {}
  private changed = this.change()
  private isClosed = false
  /** Whether somebody waits for an item. */
  isAwaited = false

  /** Adds an item. Before it makes the next one, the maker should await `taken`. */
  give(item: T): void {
    this.items.push(item)
    this.tell()
  }

  /**
   * Resolves when all items have been taken; undefined if they have. Rejects if nobody takes any more, so that the maker
   * comes to an end.
   */
  taken(): Promise<void> | undefined {
    return this.items.length === 0 && !this.isClosed ? undefined : this.untilTaken()
  }

  /** Starts the maker and returns its items. Throws what it throws, once its items have been taken. */
  async *take(make: () => Promise<void>): AsyncGenerator<T> {
    let isDone = false
    let failure: { readonly error: unknown } | undefined
    const making = make()
      .catch((error: unknown) => {
        failure = { error }
      })
      .finally(() => {
        isDone = true
        this.tell()
      })
    try {
      for (;;) {
        while (this.items.length > 0) {
          yield this.items[0]!
          this.items.shift()
          this.tell()
        }
        if (isDone) break
        this.isAwaited = true
        await this.changed
        this.isAwaited = false
      }
      if (failure) throw failure.error
    } finally {
      this.isClosed = true
      this.tell()
      await making
    }
  }

  private async untilTaken(): Promise<void> {
    while (this.items.length > 0 && !this.isClosed) await this.changed
    if (this.isClosed) throw new Error('nobody takes what is read')
  }

  private tell(): void {
    const { wake } = this
    this.changed = this.change()
    wake()
  }

  private change(): Promise<void> {
    return new Promise((resolve) => {
      this.wake = resolve
    })
  }
}
