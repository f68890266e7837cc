/** What Ctrl-C and SIGTERM do while a run is under way. */
export interface Interruption {
  /** Aborted by the first of them. */
  readonly signal: AbortSignal
  /** Leaves the signals to Node again. */
  release(): void
}

/** Turns the first SIGINT or SIGTERM into an abort, with exit code 130 or 143; a second one ends the process at once. */
export function interruption(): Interruption {
  const stop = new AbortController()
  const onSignal = (signal: NodeJS.Signals): void => {
    const code = signal === 'SIGTERM' ? 143 : 130
    if (stop.signal.aborted) process.exit(code)
    process.exitCode = code
    stop.abort()
  }
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal)
  return {
    signal: stop.signal,
    release: () => {
      process.off('SIGINT', onSignal).off('SIGTERM', onSignal)
    },
  }
}
