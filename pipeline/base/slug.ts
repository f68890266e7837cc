import { createHash } from 'node:crypto'

/** A name that is its own slug: nothing in it has a meaning for a file system. */
const PLAIN = /^[A-Za-z0-9]([\w.-]{0,98}[\w-])?$/

/** Names of devices on Windows. */
export const DEVICE = /^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/i

/** Letters that Unicode does not divide into a letter of ASCII and a mark. */
const LETTERS = new Map(
  Object.entries({
    ß: 'ss',
    æ: 'ae',
    Æ: 'Ae',
    œ: 'oe',
    Œ: 'Oe',
    ø: 'o',
    Ø: 'O',
    đ: 'd',
    ł: 'l',
    Ł: 'L',
    ı: 'i',
    þ: 'th',
  }),
)

/**
 * The name of a directory for a name of any characters: ASCII letters, digits, `.`, `_` and `-`, at most 100 of them,
 * the same on every system. A name of such characters alone is kept. Any other is transcribed as far as its letters are
 * Latin, and ends with eight digits of its SHA-256, so that names that look alike have different slugs.
 */
export function slugOf(name: string): string {
  if (PLAIN.test(name) && !DEVICE.test(name)) return name
  const normal = name.normalize('NFC')
  const letters = [...normal].map((letter) => LETTERS.get(letter) ?? letter).join('')
  const readable = letters
    .normalize('NFKD')
    .replace(/\p{M}/gu, '')
    .replace(/[^A-Za-z0-9]+/g, '-')
    .replace(/^-|-$/g, '')
    .slice(0, 60)
  const digest = createHash('sha256').update(normal).digest('hex').slice(0, 8)
  return `${readable || 'run'}-${digest}`
}
