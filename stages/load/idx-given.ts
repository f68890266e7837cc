import { readSync } from 'node:fs'
import { basename, dirname, relative, resolve } from 'node:path'
import { PipelineError, withRegularFile } from '../../pipeline/stage-kit.js'

/**
 * The options of files of images, and of files of labels in the same order if there are any. Throws a PipelineError
 * `ARGUMENTS` if there are other numbers of them.
 */
export function idxFilesGiven(paths: readonly string[]): Record<string, unknown> {
  const labels = paths.filter(isLabels)
  const images = paths.filter((path) => !labels.includes(path))
  if (images.length === 0 || (labels.length > 0 && labels.length !== images.length))
    throw new PipelineError(
      'ARGUMENTS',
      'expected files of images, and none or as many files of labels, in the same order',
    )
  const directory = dirname(resolve(images[0]!))
  const named = (path: string): string => relative(directory, resolve(path))
  const files = images.map((path, i) => [
    `data${i}`,
    { images: named(path), ...(labels[i] !== undefined && { labels: named(labels[i]!) }) },
  ])
  return { directory, files: Object.fromEntries(files) }
}

/** Whether a file has one dimension, or says that it holds labels. */
function isLabels(path: string): boolean {
  if (/label/i.test(basename(path))) return true
  try {
    return withRegularFile(path, (descriptor) => {
      const head = Buffer.alloc(4)
      return readSync(descriptor, head, 0, 4, 0) === 4 && head.readUInt32BE() === 0x801
    })
  } catch {
    // The load stage says what is wrong with the file.
    return false
  }
}
