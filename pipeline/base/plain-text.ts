/** Spells out a character as in JSON, for example `\u001b`; two escapes if it takes two UTF-16 units. */
export function spellOut(character: string): string {
  return character
    .split('')
    .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
    .join('')
}

/**
 * Spells out what cannot be seen in a text but changes how it is shown: control characters and characters that change
 * the direction of writing. Line breaks and tabs stay.
 */
export function plainText(text: string): string {
  return text.replace(/(?![\n\t])[\p{Cc}\p{Bidi_Control}]/gu, spellOut)
}

/**
 * Makes a name from outside (a class, a column, a split) fit into a line: as `plainText`, but with line breaks spelled
 * out, too, so that the name cannot begin a line of its own.
 */
export function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/gu, spellOut)
}
