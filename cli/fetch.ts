import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { PipelineError } from '../pipeline/base/errors.js'
import { suggestion } from '../pipeline/base/nearest.js'
import { attempt } from '../pipeline/files/files.js'
import { lockDirectory } from '../pipeline/files/lock.js'
import { type DownloadSettings, download } from './download.js'
import { catalogue, type Download, type FetchedSet } from './fetch-catalogue.js'
import { interruption, type Output } from './terminal.js'
import { unpack } from './unpack.js'

/** The flags of `millrace fetch`. */
export interface FetchFlags {
  /** Another address to get the files from: the folder that has them. */
  readonly from?: string
  /** The folder that the files go to. */
  readonly out?: string
  /** True to print the result as JSON, and no progress. */
  readonly json?: boolean
}

/** `millrace fetch`: downloads a data set, checks it and puts it into its folder. Without a name: lists the data sets. */
export async function fetchCommand(name: string | undefined, flags: FetchFlags, output: Output): Promise<void> {
  if (name === undefined) return list(flags, output)
  const set = Object.hasOwn(catalogue, name) ? catalogue[name]! : undefined
  if (!set)
    throw new PipelineError(
      'ARGUMENTS',
      `no data set named "${name}"${suggestion(name, Object.keys(catalogue), 'names')}`,
    )
  const { signal, release } = interruption(output)
  try {
    const folder = await fetchSet(set, flags, { signal }, flags.json ? undefined : output)
    const files = set.unpacked ? Object.keys(set.unpacked) : set.downloads.map((file) => file.name)
    if (flags.json) output.write(`${JSON.stringify({ name, folder, files })}\n`)
    else output.write(`${folder} has ${set.title}\nread it with ${set.stage}: with: { directory: ${folder} }\n`)
  } finally {
    release()
  }
}

function list({ json }: FetchFlags, output: Output): void {
  const sets = Object.entries(catalogue)
  if (json) output.write(`${JSON.stringify(Object.fromEntries(sets))}\n`)
  else output.write(sets.map(([name, { title, page }]) => `${name}\n  ${title}\n  ${page}\n`).join(''))
}

/**
 * Fetches a data set into its folder, and returns the folder. Files are downloaded and unpacked in `FOLDER.part`, which gets
 * its name when everything is there and checked; after an interruption the same call goes on with it. Throws a PipelineError
 * `ARGUMENTS` if the folder exists, or if another process fetches into it, and what `download` and `unpack` throw; an error of the network or of the server says how
 * to get the files by hand.
 */
export async function fetchSet(
  set: FetchedSet,
  { from = set.from, out = join('data', set.folder) }: Pick<FetchFlags, 'from' | 'out'>,
  settings: DownloadSettings,
  output?: Pick<Output, 'progress' | 'interactive'>,
): Promise<string> {
  if (existsSync(out))
    throw new PipelineError(
      'ARGUMENTS',
      `${out} exists, and is not changed; remove it, or give another folder with --out`,
    )
  const part = `${out}.part`
  attempt('make the directory', part, () => mkdirSync(part, { recursive: true }))
  const release = lockDirectory(part)
  try {
    await fetchInto(part, set, { from, out }, settings, output)
  } finally {
    release()
  }
  return out
}

async function fetchInto(
  part: string,
  set: FetchedSet,
  { from, out }: Required<Pick<FetchFlags, 'from' | 'out'>>,
  settings: DownloadSettings,
  output: Pick<Output, 'progress' | 'interactive'> | undefined,
): Promise<void> {
  const files = join(part, 'files')
  attempt('make the directory', files, () => {
    // Of an earlier try that was interrupted while unpacking.
    rmSync(files, { recursive: true, force: true })
    mkdirSync(files)
  })
  for (const file of set.downloads) {
    const path = join(part, file.name)
    const progress = output && { onProgress: shown(file, output) }
    await download(addressOf(from, file), path, file, { ...settings, ...progress }).catch((error) => {
      throw withHelp(error, set, from, out)
    })
    if (set.unpacked) await unpack(path, set.unpacked, files, settings.signal)
  }
  // Until all are there, the files stay where an interrupted download finds them.
  if (!set.unpacked)
    for (const { name } of set.downloads)
      attempt('write', join(files, name), () => renameSync(join(part, name), join(files, name)))
  attempt('write', out, () => {
    mkdirSync(dirname(out), { recursive: true })
    renameSync(files, out)
    rmSync(part, { recursive: true, force: true })
  })
}

function addressOf(from: string, { name }: Download): string {
  let url: URL
  try {
    url = new URL(from)
  } catch {
    throw new PipelineError('ARGUMENTS', `--from: expected an address such as https://example.org/data/, got "${from}"`)
  }
  if (!/^https?:$/.test(url.protocol))
    throw new PipelineError('ARGUMENTS', `--from: expected an address with http or https, got "${from}"`)
  if (!url.pathname.endsWith(`/${name}`)) url.pathname = `${url.pathname.replace(/\/$/, '')}/${name}`
  return url.href
}

/** Adds to an error of the network or the server what the user can do without this command. */
function withHelp(error: unknown, set: FetchedSet, from: string, out: string): unknown {
  if (!(error instanceof PipelineError) || error.code !== 'DATA') return error
  const files = set.downloads.map(
    (file) => `  ${addressOf(from, file)}  (${file.checksum.kind} ${file.checksum.value})`,
  )
  const unpacked = set.unpacked ? `, unpack it and put ${Object.keys(set.unpacked).join(', ')}` : ''
  return new PipelineError(
    'DATA',
    `${error.message}\nby hand: get\n${files.join('\n')}\n${unpacked ? unpacked.slice(2) : 'and put them'} into ${out}; ` +
      `about the data: ${set.page}`,
    { cause: error },
  )
}

/** Shows how far a download is: one line that is drawn again on a terminal, else a line when it begins. */
function shown(
  { name }: Download,
  { progress, interactive }: Pick<Output, 'progress' | 'interactive'>,
): (bytes: number, of: number | undefined) => void {
  let last: number | undefined
  return (bytes, of) => {
    const now = performance.now()
    const isEnd = bytes === of
    if (last !== undefined && (!interactive || (now - last < 100 && !isEnd))) return
    last = now
    const size = of === undefined ? '' : ` of ${inMegabytes(of)}`
    if (interactive) progress(`\r\x1b[2K${name}: ${inMegabytes(bytes)}${size}${isEnd ? '\n' : ''}`)
    else progress(`${name}${size}\n`)
  }
}

function inMegabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`
}
