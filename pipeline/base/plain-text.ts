/**
 * Characters that a terminal obeys instead of showing them, line breaks among them, those that change the direction of
 * writing, and halves of characters.
 */
const CONTROL = /[\p{Cc}\p{Bidi_Control}\p{Zl}\p{Zp}\p{Cs}]/u
const CONTROLS = new RegExp(CONTROL, 'gu')

/** Whether a text has control characters, line breaks, or characters that change the direction of writing. */
export function hasControls(text: string): boolean {
  return CONTROL.test(text)
}

/**
 * Makes a name from outside (a class, a column, a split) fit into a line: spells out the characters that `hasControls`
 * finds, so that the name cannot begin a line of its own.
 */
export function oneLine(text: string): string {
  return text.replace(CONTROLS, spellOut)
}

/** Does the same to a text of several lines: its line breaks and tabs stay. */
export function plainText(text: string): string {
  return text.replace(CONTROLS, (character) => (/[\n\t]/.test(character) ? character : spellOut(character)))
}

/** Spells out a character as in JSON, for example `\u001b`; two escapes if it takes two UTF-16 units. */
export function spellOut(character: string): string {
  return character
    .split('')
    .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
    .join('')
}
