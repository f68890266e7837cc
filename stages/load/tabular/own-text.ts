/** Texts of fewer characters are never views in V8. */
const LEAST_VIEW = 13

/**
 * A text with memory of its own. A piece that is cut out of a long text keeps all of it in memory, so the few texts that
 * stay would keep the whole file.
 */
export function ownText(text: string): string {
  return text.length < LEAST_VIEW ? text : Buffer.from(text, 'utf16le').toString('utf16le')
}
