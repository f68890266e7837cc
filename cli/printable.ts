/** What `sink/terminal` needs to draw a line anew. */
const REDRAW = '\r\x1b[2K'

/**
 * Text that does nothing to a terminal but stand there: control characters, and those that turn the direction of
 * writing, may come from a definition or a file, and are spelled out. Only what begins a line anew is let through.
 */
export function printable(text: string): string {
  return text.split(REDRAW).map(spelled).join(REDRAW)
}

function spelled(text: string): string {
  return text.replace(
    /(?![\n\t])[\p{Cc}\p{Bidi_Control}]/gu,
    (found) => `\\u${found.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
