import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'

const files = ['dejavu-fonts-ttf/ttf/DejaVuSans.ttf', 'dejavu-fonts-ttf/ttf/DejaVuSans-Bold.ttf']

/** The paths of the bundled fonts, with which PNGs are drawn: normal and bold. */
export function fontFiles(): string[] {
  return files.map((file) => fileURLToPath(import.meta.resolve(file)))
}

/** Reads the bundled fonts. */
export function readFonts(): Promise<Buffer[]> {
  return Promise.all(fontFiles().map((file) => readFile(file)))
}

let known: Promise<(character: string) => boolean> | undefined

/**
 * The characters in the text of an SVG that the bundled font lacks, for example Chinese ones, in their order. A PNG of
 * the SVG shows them as empty boxes.
 */
export async function missingGlyphs(svg: string): Promise<string[]> {
  const text = svg.replace(/<[^>]*>/g, '')
  const characters = new Set(text.match(/[^\x20-\x7e\p{C}\p{Z}]/gu))
  if (characters.size === 0) return []
  known ??= readFonts().then(([font]) => coverageOf(font!))
  const isKnown = await known
  return [...characters].filter((character) => !isKnown(character))
}

/**
 * Returns a function that says whether a font has a glyph for a character, by the table `cmap` in format 12 (OpenType
 * 1.9, "Segmented coverage").
 */
function coverageOf(font: Buffer): (character: string) => boolean {
  const tables = Array.from({ length: font.readUInt16BE(4) }, (_, i) => 12 + 16 * i)
  const cmap = font.readUInt32BE(tables.find((at) => font.toString('latin1', at, at + 4) === 'cmap')! + 8)
  const subtables = Array.from({ length: font.readUInt16BE(cmap + 2) }, (_, i) => font.readUInt32BE(cmap + 8 + 8 * i))
  const table = cmap + subtables.find((at) => font.readUInt16BE(cmap + at) === 12)!
  const groups = Array.from({ length: font.readUInt32BE(table + 12) }, (_, i) => {
    const at = table + 16 + 12 * i
    return { first: font.readUInt32BE(at), last: font.readUInt32BE(at + 4) }
  })
  return (character) => {
    const code = character.codePointAt(0)!
    return groups.some(({ first, last }) => first <= code && code <= last)
  }
}
