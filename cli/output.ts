/** Where a command prints. */
export interface Output {
  /** True where standard output is a terminal. */
  readonly interactive: boolean
  write(text: string): void
  warn(text: string): void
}
