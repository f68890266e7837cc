import { createHash } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { pipeline as piped } from 'node:stream/promises'
import type { Pipeline } from '../index.js'
import type { DataSource } from '../pipeline/base/data-source.js'
import { fileProblem, PipelineError } from '../pipeline/base/errors.js'
import { version } from '../pipeline/base/package.js'
import { openRegularFile } from '../pipeline/files/regular-file.js'
import type { Node } from '../pipeline/graph/node.js'
import { isFile, splitPick } from '../pipeline/graph/registry.js'
import { preparedNodes } from '../pipeline/run/prepared.js'

/** Hexadecimal digits of a key: 64 bits. A million points then collide with a probability of 1 in 37 million. */
const DIGITS = 16

/** What keys and other digests look like. */
export const digestPattern = new RegExp(`^[0-9a-f]{${DIGITS}}$`)

/**
 * The key of a point. Points with equal keys give equal results. It is a digest of the definition with every default
 * filled in, of the stage files it names, of the checksums of its data, of the kernel and of the version of Millrace.
 *
 * @param definition see `definitionDigest`
 */
export function keyOf(definition: string, data: readonly DataSource[], kernel: string): string {
  return digest([definition, data.map(({ sha256 }) => sha256), kernel, version])
}

/** A digest of what a pipeline does. It does not depend on which file or setting says it. */
export function definitionDigest({ name, seed, splitSeed, graph }: Pipeline): string {
  return digest([name, seed, graph.nodes.map(nodeOf), ...(splitSeed === seed ? [] : [splitSeed])])
}

/** A digest of the stages that only prepare data (see `prepare`). Returns undefined if there are none. */
export function preparationDigest({ graph, splitSeed }: Pipeline, data: readonly DataSource[]): string | undefined {
  const nodes = preparedNodes(graph)
  return nodes.length > 0 ? digest([splitSeed, nodes.map(nodeOf), data.map(({ sha256 }) => sha256)]) : undefined
}

function nodeOf({ id, entry, options, inputs }: Node): unknown {
  const [path] = splitPick(entry.use)
  const file = isFile(path) ? fileDigest(resolve(entry.folder, path)) : undefined
  return { id, use: file ?? entry.use, options, inputs: Object.fromEntries(inputs) }
}

function fileDigest(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex')
}

function digest(data: unknown): string {
  return createHash('sha256').update(JSON.stringify(data)).digest('hex').slice(0, DIGITS)
}

/** Computes checksums of data files. Each file is read once, and again if it has changed. */
export class Checksums {
  private readonly known = new Map<string, Promise<DataSource>>()

  /** The files that the load stages of a pipeline read. Rejects with a PipelineError `DATA` if one cannot be read. */
  of(pipeline: Pipeline): Promise<DataSource[]> {
    return Promise.all(this.pathsOf(pipeline).map((path) => this.one(path)))
  }

  /** The paths of these files. */
  pathsOf({ graph }: Pipeline): string[] {
    return graph.nodes.flatMap(({ stage, located }) => stage.sources?.(located()) ?? [])
  }

  private one(path: string): Promise<DataSource> {
    const { size, mtimeMs, ino } = statSync(path, { throwIfNoEntry: false }) ?? {}
    const version = `${path} ${size} ${mtimeMs} ${ino}`
    const known = this.known.get(version) ?? sourceOf(path)
    this.known.set(version, known)
    return known
  }
}

async function sourceOf(path: string): Promise<DataSource> {
  const hash = createHash('sha256')
  try {
    const file = (await openRegularFile(path)).createReadStream({ highWaterMark: 1 << 20 })
    await piped(file, hash)
    return { path, bytes: file.bytesRead, sha256: hash.digest('hex') }
  } catch (cause) {
    throw new PipelineError('DATA', fileProblem('read', path, cause), { cause })
  }
}
