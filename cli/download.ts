import { createHash } from 'node:crypto'
import { createReadStream, rmSync, statSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { setTimeout as wait } from 'node:timers/promises'
import { fileProblem, messageOf, PipelineError } from '../pipeline/base/errors.js'
import type { Download } from './fetch-catalogue.js'

/** Tries in a row that bring nothing, before giving up. */
const TRIES = 4

/** Fewer bytes than this in the time of a silence are no progress, and neither are so few between two broken connections. */
const LEAST = 1 << 14

/** The most bytes of a file whose size is not known. */
const MOST = 1 << 30

/** How a file is downloaded. */
export interface DownloadSettings {
  /** Stops the download. What has come stays, and the next one goes on from there. */
  readonly signal: AbortSignal
  /** Called with the bytes that have come so far, and how many there will be, if that is known. */
  readonly onProgress?: (bytes: number, of: number | undefined) => void
  /** Milliseconds before the second try; each further one waits twice as long. Default 500. */
  readonly delay?: number
  /** Milliseconds without a byte after which a connection counts as broken. Default 30,000. */
  readonly silence?: number
}

/** A failure that another try may mend. */
class Passing extends Error {}

/** What has come cannot be the beginning of the file. */
class Useless extends Passing {}

/**
 * Downloads a file, or the rest of it. A broken connection, a server that is busy (408, 429, 5xx) and a silent one are
 * tried again; the download then goes on where it was, if the server can do that (`Range`). At the end the checksum must
 * agree; a file with another one is removed.
 *
 * Throws a PipelineError `DATA` that says what the server or the file did wrong, `WRITE` if the file cannot be written,
 * and `ABORTED` if the signal came.
 */
export async function download(url: string, path: string, file: Download, settings: DownloadSettings): Promise<void> {
  const { signal, delay = 500 } = settings
  const size = sizeOf(path)
  // Without a known size, only the checksum tells whether all of it came before an interruption.
  if (size > 0 && (file.bytes ?? size) === size && (await checksumOf(path, file)) === file.checksum.value) return
  if (file.bytes !== undefined && size >= file.bytes) rmSync(path)
  for (let failures = 0, before = sizeOf(path); ; ) {
    try {
      await downloadRest(url, path, file, settings)
      break
    } catch (error) {
      if (signal.aborted) throw new PipelineError('ABORTED', `stopped; ${path} has what came so far`, { cause: error })
      if (error instanceof PipelineError) throw error
      if (error instanceof Useless) rmSync(path, { force: true })
      // As long as enough comes, the connection is worth another try.
      const now = sizeOf(path)
      const isProgress = now - before >= LEAST
      failures = isProgress ? 1 : failures + 1
      if (isProgress || now < before) before = now
      if (failures >= TRIES)
        throw new PipelineError('DATA', `cannot fetch ${url}: ${reasonOf(error)}`, { cause: error })
      await wait(delay * 2 ** (failures - 1), undefined, { signal }).catch(() => {})
    }
  }
  await check(url, path, file)
}

/** Asks for what is missing, and appends it. */
async function downloadRest(
  url: string,
  path: string,
  file: Download,
  { signal, onProgress, silence = 30_000 }: DownloadSettings,
): Promise<void> {
  const start = sizeOf(path)
  const stop = new AbortController()
  const onAbort = (): void => stop.abort(signal.reason)
  signal.addEventListener('abort', onAbort)
  let timer: NodeJS.Timeout | undefined
  const watch = (): void => {
    clearTimeout(timer)
    timer = setTimeout(() => stop.abort(new Passing(`the server sent nearly nothing for ${silence / 1000} s`)), silence)
  }
  try {
    signal.throwIfAborted()
    watch()
    const response = await fetch(url, {
      signal: stop.signal,
      // Packed on the way, the bytes could not be counted.
      headers: { 'accept-encoding': 'identity', ...(start > 0 && { range: `bytes=${start}-` }) },
    })
    const begin = firstByte(response, url, start)
    const total = sizeIn(response, begin)
    const most = file.bytes ?? MOST
    if (total !== undefined && (file.bytes === undefined ? total > MOST : total !== file.bytes))
      throw new PipelineError(
        'DATA',
        `${url} has ${total} bytes, expected ${file.bytes ?? `at most ${MOST}`}: this is not the file of the authors`,
      )
    const output = await open(path, begin === 0 ? 'w' : 'a').catch((cause) => {
      throw new PipelineError('WRITE', fileProblem('write', path, cause), { cause })
    })
    let size = begin
    let seen = begin
    try {
      for await (const piece of response.body ?? []) {
        size += piece.length
        if (size - seen >= LEAST) {
          seen = size
          watch()
        }
        if (size > most) throw new PipelineError('DATA', `${url} does not end after the ${most} bytes that it may have`)
        await output.writeFile(piece).catch((cause) => {
          throw new PipelineError('WRITE', fileProblem('write', path, cause), { cause })
        })
        onProgress?.(size, file.bytes ?? total)
      }
    } finally {
      await output.close()
    }
    const expected = file.bytes ?? total
    if (expected !== undefined && size < expected) throw new Passing(`it ended after ${size} of ${expected} bytes`)
  } catch (error) {
    throw stop.signal.aborted && !signal.aborted ? stop.signal.reason : error
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', onAbort)
  }
}

/** The number of the first byte that a response has: that asked for, or 0 if the server sends all. */
function firstByte(response: Response, url: string, asked: number): number {
  const { status, headers } = response
  if (status === 200) return 0
  if (status === 206) {
    const [, first] = /^bytes (\d+)-/.exec(headers.get('content-range') ?? '') ?? []
    if (Number(first) === asked) return asked
    throw new PipelineError('DATA', `cannot fetch ${url}: the server sends other bytes than those asked for`)
  }
  const said = `the server says ${status}${response.statusText && ` ${response.statusText}`}`
  if (status === 408 || status === 429 || status >= 500) throw new Passing(said)
  if (status === 416) throw new Useless(said)
  throw new PipelineError('DATA', `cannot fetch ${url}: ${said}`)
}

/** The size of the whole file, if the server says it. */
function sizeIn({ status, headers }: Response, begin: number): number | undefined {
  const total = status === 206 ? /\/(\d+)$/.exec(headers.get('content-range') ?? '')?.[1] : undefined
  if (total !== undefined) return Number(total)
  const length = headers.get('content-length')
  return length === null ? undefined : begin + Number(length)
}

/** Throws a PipelineError `DATA`, and removes the file, if its checksum is not that of the authors. */
async function check(url: string, path: string, file: Download): Promise<void> {
  const { kind, value } = file.checksum
  const found = await checksumOf(path, file)
  if (found === value) return
  const size = sizeOf(path)
  rmSync(path, { force: true })
  throw new PipelineError(
    'DATA',
    `${url}: expected the ${kind} checksum ${value}, got ${found}, of ${size} bytes: the file was changed or damaged, ` +
      'and what came is removed; try again, or another address with --from',
  )
}

async function checksumOf(path: string, { checksum }: Download): Promise<string> {
  const hash = createHash(checksum.kind)
  for await (const piece of createReadStream(path)) hash.update(piece as Buffer)
  return hash.digest('hex')
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0
}

/** What went wrong, without the wrapping of `fetch`, which only says that it failed. */
function reasonOf(error: unknown): string {
  const { cause } = error as { cause?: unknown }
  return cause instanceof Error && cause.message !== '' ? cause.message : messageOf(error)
}
