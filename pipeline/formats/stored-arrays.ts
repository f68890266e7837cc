import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import type { Numbers } from '../../kernels/contract.js'
import type { DataSource } from '../base/data-source.js'
import { fileProblem, messageOf, PipelineError } from '../base/errors.js'
import { shortPath } from '../base/words.js'
import { isDirectory } from '../files/is-directory.js'
import { readRegularFile } from '../files/regular-file.js'
import { modelOf } from '../wires/parameters.js'
import { parametersFrom } from './export.js'
import { readNpy } from './npy-read.js'
import { decodeTensors } from './safetensors.js'
import { zipFiles } from './zip.js'

/** Largest file that is read, in bytes. */
const MOST = 1 << 30

/** An array of a stored model. */
export interface StoredArray {
  /** Extents, the slowest first. */
  readonly shape: readonly number[]
  /** Row-major. */
  readonly values: Numbers
}

/** The arrays of a stored model, by name, and the file that they come from. */
export interface StoredArrays {
  /** The arrays, by name. */
  readonly arrays: ReadonlyMap<string, StoredArray>
  /** The file, with its checksum. */
  readonly source: DataSource
}

/** The file with the arrays: `parameters.arrow` of a run directory, or the file itself. */
export function storedFile(given: string): string {
  return isDirectory(given) ? join(given, 'parameters.arrow') : given
}

/**
 * Reads the arrays of a model from a file: `.safetensors` or `.npz` (float32 or float64), `parameters.arrow`, or a run
 * directory with one. Throws a PipelineError `DATA` if the file cannot be read, is damaged, or holds something else.
 */
export function readStoredArrays(given: string): StoredArrays {
  const path = storedFile(given)
  let bytes: Buffer
  try {
    bytes = readRegularFile(path, MOST)
  } catch (error) {
    throw new PipelineError('DATA', fileProblem('read', shortPath(path), error), { cause: error })
  }
  const source = { path, bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') }
  return { arrays: arraysIn(bytes, path), source }
}

function arraysIn(bytes: Buffer, path: string): Map<string, StoredArray> {
  if (path.endsWith('.safetensors')) return tensorsIn(bytes, path)
  return path.endsWith('.npz') ? zippedIn(bytes, path) : parametersIn(bytes, path)
}

/** Arrays of an exported `.npz` that are no parameters. */
const aboutModel = new Set(['mean', 'scale', 'lambda', 'eta'])

function zippedIn(bytes: Buffer, path: string): Map<string, StoredArray> {
  try {
    let total = 0
    const names: string[] = []
    const files = zipFiles().unzipSync(bytes, {
      filter: ({ name, originalSize }) => {
        names.push(name)
        total += originalSize
        if (total > MOST) throw new Error(`it unpacks to more than ${MOST >> 20} MiB`)
        return true
      },
    })
    const arrays = new Map<string, StoredArray>()
    const sums = checksumsIn(bytes)
    for (const [i, file] of names.entries()) {
      const content = files[file]!
      if (sums[i] !== undefined && crc32(content) !== sums[i]) throw new Error(`the checksum of ${file} is wrong`)
      const name = file.replace(/\.npy$/, '')
      if (name === file || aboutModel.has(name)) continue
      const { shape, values } = readNpy(content)
      if (values instanceof Float32Array || values instanceof Float64Array) arrays.set(name, { shape, values })
    }
    return arrays
  } catch (error) {
    throw new PipelineError('DATA', `${shortPath(path)} is no .npz file of arrays: ${messageOf(error)}`, {
      cause: error,
    })
  }
}

/** The checksums of the files in an archive, in the order of its list. The package that unpacks does not look at them. */
function checksumsIn(bytes: Buffer): number[] {
  const end = bytes.lastIndexOf('PK\x05\x06', undefined, 'latin1')
  const sums: number[] = []
  for (let at = bytes.readUInt32LE(end + 16), left = bytes.readUInt16LE(end + 10); left > 0; left--) {
    if (bytes.toString('latin1', at, at + 4) !== 'PK\x01\x02') return []
    sums.push(bytes.readUInt32LE(at + 16))
    at += 46 + bytes.readUInt16LE(at + 28) + bytes.readUInt16LE(at + 30) + bytes.readUInt16LE(at + 32)
  }
  return sums
}

function tensorsIn(bytes: Uint8Array, path: string): Map<string, StoredArray> {
  try {
    const arrays = new Map<string, StoredArray>()
    for (const [name, { shape, values }] of decodeTensors(bytes).tensors)
      if (values instanceof Float32Array || values instanceof Float64Array) arrays.set(name, { shape, values })
    return arrays
  } catch (error) {
    throw new PipelineError('DATA', `${shortPath(path)} is no safetensors file: ${messageOf(error)}`, { cause: error })
  }
}

function parametersIn(bytes: Buffer, path: string): Map<string, StoredArray> {
  return new Map(modelOf(parametersFrom(bytes, path)).arrays.map(({ name, ...array }) => [name, array]))
}
