import { isUtf8 } from 'node:buffer'
import { PipelineError, type StageContext } from '../../../pipeline/stage-kit.js'
import { readPieces } from '../source-file.js'

/** What stands in decoded text for bytes that mean no character. */
const UNKNOWN = '\ufffd'

/**
 * Reads a text file in pieces, with `\n` at the end of every line, whatever mix of line endings it has, and without a
 * byte order mark. Throws a PipelineError `DATA` with the line if bytes mean no character in the encoding, and if the
 * file is not a text file.
 *
 * @param encoding a label of the Encoding Standard (https://encoding.spec.whatwg.org); undefined: UTF-8, or UTF-16 if
 * the file begins with its byte order mark
 */
export async function* readText(
  path: string,
  encoding: string | undefined,
  context: StageContext,
): AsyncGenerator<string> {
  let decoder: Decoder | undefined
  let held = ''
  let line = 1
  for await (const bytes of readPieces(path, context)) {
    decoder ??= new Decoder(path, encodingOf(path, bytes, encoding, context))
    let text = held + decoder.decode(bytes, line)
    // The other half of a line ending may be in the next piece.
    held = text.endsWith('\r') ? '\r' : ''
    if (held) text = text.slice(0, -1)
    text = withOneLineEnding(text)
    const zero = text.indexOf('\0')
    if (zero >= 0)
      throw new PipelineError('DATA', `${path}:${line + linesIn(text, zero)}: a zero byte; is it a text file?`)
    line += linesIn(text)
    if (text) yield text
  }
  const rest = withOneLineEnding(held + (decoder?.end(line) ?? ''))
  if (rest) yield rest
}

function withOneLineEnding(text: string): string {
  return text.includes('\r') ? text.replace(/\r\n?/g, '\n') : text
}

/** The number of line ends before `end`. */
function linesIn(text: string, end = text.length): number {
  let count = 0
  for (let at = text.indexOf('\n'); at >= 0 && at < end; at = text.indexOf('\n', at + 1)) count++
  return count
}

/** Decodes the bytes of a file piece by piece, and finds the first one that means no character. */
class Decoder {
  private readonly path: string
  private readonly encoding: string
  /** Fails on bytes that mean no character. It does not say where: `text` shows it. */
  private readonly check: InstanceType<typeof TextDecoder>
  private readonly text: InstanceType<typeof TextDecoder>
  /** The characters since the last line end of the earlier pieces. */
  private lineStart = ''

  constructor(path: string, encoding: string) {
    this.path = path
    this.check = new TextDecoder(encoding, { fatal: true })
    this.text = new TextDecoder(encoding)
    this.encoding = this.text.encoding
  }

  /** @param line the line in which the bytes begin */
  decode(bytes: Uint8Array, line: number): string {
    if (this.encoding === 'windows-1252') return windows1252(bytes)
    const text = this.text.decode(bytes, { stream: true })
    return this.checked(text, line, bytes, () => this.check.decode(bytes, { stream: true }))
  }

  /** The characters that were still incomplete. */
  end(line: number): string {
    return this.checked(this.text.decode(), line, new Uint8Array(0), () => this.check.decode())
  }

  private checked(text: string, line: number, bytes: Uint8Array, check: () => unknown): string {
    try {
      check()
    } catch {
      throw this.unreadable(text, line, bytes)
    }
    const end = Math.max(text.lastIndexOf('\n'), text.lastIndexOf('\r'))
    // A line without an end is refused later; until then, only its last part is kept.
    this.lineStart = (end < 0 ? this.lineStart + text : text.slice(end + 1)).slice(-MAX_LINE)
    return text
  }

  private unreadable(text: string, line: number, bytes: Uint8Array): PipelineError {
    const before = (this.lineStart + text).split(UNKNOWN, 1)[0]!
    const lines = withOneLineEnding(before).split('\n')
    const place = `${this.path}:${line + lines.length - 1}`
    if (this.encoding !== 'utf-8')
      return new PipelineError(
        'DATA',
        `${place}: bytes that are no character in ${this.encoding}; is it the encoding of the file?`,
      )
    const at = Buffer.byteLength(lines.at(-1)!)
    const byte = invalidByte(bytes)
    const found =
      byte === undefined ? 'an incomplete character' : `the byte 0x${byte.toString(16).toUpperCase().padStart(2, '0')}`
    return new PipelineError(
      'DATA',
      `${place}: not UTF-8: found ${found} after ${at} bytes of the line; save the file as UTF-8, or give its encoding, ` +
        'for example encoding: windows-1252',
    )
  }
}

/** The first byte of a piece that is part of no UTF-8 character. A character may have begun before the piece. */
function invalidByte(bytes: Uint8Array): number | undefined {
  let at = 0
  while (at < 3 && (bytes[at]! & 0xc0) === 0x80) at++
  while (at < bytes.length) {
    const first = bytes[at]!
    const size = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4
    if (!isUtf8(bytes.subarray(at, at + size))) return first
    at += size
  }
  return undefined
}

/** Characters of an unfinished line that are kept for a message. */
const MAX_LINE = 1 << 16

/** The characters of the bytes 0x80 … 0x9f in windows-1252. The decoder of Node 20 reads them as control characters. */
const WINDOWS_1252 = '€\x81‚ƒ„…†‡ˆ‰Š‹Œ\x8dŽ\x8f\x90‘’“”•–—˜™š›œ\x9džŸ'

/** Every byte means a character in windows-1252, which is also what `latin1` stands for on the web. */
function windows1252(bytes: Uint8Array): string {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')
  return text.replace(/[\x80-\x9f]/g, (character) => WINDOWS_1252[character.charCodeAt(0) - 0x80]!)
}

/** Files that are often given in the place of a CSV file, by their first bytes. */
const OTHERS: readonly (readonly [first: string, name: string])[] = [
  ['\x1f\x8b', 'a gzip file inside a gzip file; unpack it'],
  ['PK\x03\x04', 'a ZIP file or an Excel workbook; unpack it, or save it as CSV'],
  ['\xd0\xcf\x11\xe0', 'an old Excel workbook; save it as CSV'],
  ['PAR1', 'a Parquet file; load/parquet reads it'],
  ['ARROW1', 'an Arrow file; load/arrow reads it'],
  ['BZh', 'packed by bzip2; unpack it'],
  ['\xfd7zXZ', 'packed by xz; unpack it'],
  ['\x28\xb5\x2f\xfd', 'packed by Zstandard; unpack it'],
  ['%PDF-', 'a PDF file; it needs CSV'],
  ['\xff\xfe\0\0', 'UTF-32 text; save it as UTF-8'],
  ['\0\0\xfe\xff', 'UTF-32 text; save it as UTF-8'],
]

/** The encoding of a file that begins with these bytes. Throws a PipelineError `DATA` if it is no text file. */
function encodingOf(path: string, bytes: Uint8Array, given: string | undefined, context: StageContext): string {
  const start = Buffer.from(bytes.subarray(0, 8)).toString('latin1')
  const other = OTHERS.find(([first]) => start.startsWith(first))
  if (other) throw new PipelineError('DATA', `${path} is ${other[1]}`)
  if (given !== undefined && new TextDecoder(given).encoding !== 'utf-8') return given
  const marked = start.startsWith('\xff\xfe') ? 'utf-16le' : start.startsWith('\xfe\xff') ? 'utf-16be' : undefined
  if (marked) {
    context.note(`${path} is read as ${marked.toUpperCase()}, as its byte order mark says`)
    return marked
  }
  const unmarked = unmarkedUtf16(bytes)
  if (unmarked)
    throw new PipelineError(
      'DATA',
      `${path} is ${unmarked.toUpperCase()} text without a byte order mark; save it as UTF-8, or give encoding: ${unmarked}`,
    )
  if (bytes.subarray(0, 8192).includes(0)) throw new PipelineError('DATA', `${path} is not a text file`)
  return 'utf-8'
}

/**
 * Recognises UTF-16 without a mark: digits, commas and line ends have a zero byte in each pair, always on the same side.
 * Returns undefined for anything else.
 */
function unmarkedUtf16(bytes: Uint8Array): 'utf-16le' | 'utf-16be' | undefined {
  const zeros = [0, 0]
  const length = Math.min(bytes.length, 8192)
  for (let i = 0; i < length; i++) if (bytes[i] === 0) zeros[i % 2]!++
  const [first, second] = zeros as [number, number]
  if (Math.max(first, second) < length / 8 || Math.min(first, second) > 0) return undefined
  return second > 0 ? 'utf-16le' : 'utf-16be'
}
