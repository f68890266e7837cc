import { existsSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { fixed, interleaved, median, printTable } from './measure.js'

const job = fileURLToPath(new URL('jobs/millrace.js', import.meta.url))
const files = ['data_batch_1.bin', 'data_batch_2.bin', 'data_batch_3.bin', 'data_batch_4.bin', 'data_batch_5.bin']

/** Prints the largest resident memory of a whole process, for one experiment and for one on all 60,000 images. */
export async function memory({ directory, repeats, kernels }) {
  console.log('\nMemory: largest resident MB of the whole process')
  const all = allImages(directory)
  const of = (name, kernel, ...args) => ({
    name: `${name}, ${kernel}`,
    command: process.execPath,
    args: [job, '--kernel', kernel, ...args],
  })
  const jobs = kernels.flatMap((kernel) => [
    of('one experiment, 30,000 images', kernel, '--directory', directory),
    of('the same with its figures', kernel, '--directory', directory, '--figures'),
    of('60,000 images, 2 epochs', kernel, '--directory', all, '--pipeline', 'cifar10/follow-up-1', '--epochs', '2'),
  ])
  try {
    const results = await interleaved(jobs, repeats)
    printTable(
      ['', 'MB', 'max'],
      jobs.map((each) => {
        const sizes = results.get(each).map(({ rss }) => rss)
        return [each.name, fixed(median(sizes), 0), fixed(Math.max(...sizes), 0)]
      }),
    )
  } finally {
    rmSync(all, { recursive: true })
  }
}

/** Makes a folder with links to all six files. Other files take the place of missing ones: only the size matters. */
function allImages(directory) {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-bench-'))
  const present = files.filter((name) => existsSync(join(directory, name)))
  for (const [i, name] of files.entries())
    symlinkSync(
      join(directory, existsSync(join(directory, name)) ? name : present[i % present.length]),
      join(folder, name),
    )
  symlinkSync(join(directory, 'test_batch.bin'), join(folder, 'test_batch.bin'))
  return folder
}
