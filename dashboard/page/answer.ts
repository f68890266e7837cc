import { useEffect, useState } from 'preact/hooks'

/** What the server answered to one request, or why it did not. */
interface Answer<T> {
  readonly value?: T
  readonly problem?: string
}

/**
 * Asks the server, and again whenever one of `changes` does. The answer before stays until the next one comes; that of
 * another address does not.
 *
 * @param address undefined: nothing is asked
 */
export function useAnswer<T>(address: string | undefined, ...changes: readonly unknown[]): Answer<T> {
  const [last, setLast] = useState<Answer<T> & { readonly address?: string }>({})
  useEffect(() => {
    if (address === undefined) return
    const asked = new AbortController()
    fetch(address, { signal: asked.signal })
      .then(async (response) => {
        if (!response.ok) throw new Error(await response.text())
        setLast({ address, value: (await response.json()) as T })
      })
      .catch((error: Error) => asked.signal.aborted || setLast({ address, problem: error.message }))
    return () => asked.abort()
  }, [address, ...changes])
  return last.address === address ? last : {}
}
