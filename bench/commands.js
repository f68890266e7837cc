import { execFile } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { fixed, interleaved, median, printTable } from './measure.js'

const program = fileURLToPath(new URL('../lib/cli/main.js', import.meta.url))
const figures = ['curves', 'weights', 'confusion', 'predictions']

/**
 * Prints the seconds that whole commands take by the clock, in turns: how fast they start, and what figures add to a run. The machine
 * must be quiet.
 */
export async function commands({ directory, repeats }) {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-bench-'))
  try {
    const listed = [
      ['node -e 0', ['-e', '0']],
      ['--help', [program, '--help']],
      ['validate cifar10/experiment-3', [program, 'validate', 'cifar10/experiment-3']],
    ]
    if (existsSync(directory)) {
      const run = (file) => [
        program,
        'run',
        file,
        '--set',
        `directory=${directory}`,
        '--out',
        join(folder, 'run'),
        '--force',
      ]
      writeFileSync(
        join(folder, 'without.yaml'),
        `extends: cifar10/experiment-3\npatch: [${figures.map((id) => `{ remove: ${id} }`).join(', ')}]\n`,
      )
      listed.push(['experiment-3, no figures', run(join(folder, 'without.yaml'))])
      listed.push(['experiment-3, four figures', run('cifar10/experiment-3')])
    }
    const jobs = listed.map(([name, args]) => ({ name, run: () => seconds(args) }))
    const results = await interleaved(jobs, repeats)
    console.log(`\nWhole commands, median of ${repeats}`)
    printTable(
      ['', 's'],
      jobs.map((job) => [job.name, fixed(median(results.get(job)), 3)]),
    )
  } finally {
    rmSync(folder, { recursive: true })
  }
}

async function seconds(args) {
  const began = performance.now()
  await promisify(execFile)(process.execPath, args, { maxBuffer: 1 << 24 })
  return (performance.now() - began) / 1000
}
