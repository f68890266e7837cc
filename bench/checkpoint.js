import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { fixed, interleaved, median, printTable } from './measure.js'

const job = fileURLToPath(new URL('jobs/millrace.js', import.meta.url))
const everythingRandom = fileURLToPath(new URL('jobs/everything-random.yaml', import.meta.url))
const program = fileURLToPath(new URL('../lib/cli/main.js', import.meta.url))

/**
 * Prints the cost of checkpoints in the reference job: without any, with the default ones (one at the end, because the
 * job takes less than 30 s), and with one every epoch.
 */
export async function checkpointCost({ directory, repeats, kernels }) {
  console.log('\nCheckpoints of the reference job: 40 of 123 kB when made every epoch')
  const jobs = kernels.flatMap((kernel) =>
    ['none', '30s', 'epoch'].map((checkpoint) => ({
      kernel,
      checkpoint,
      command: process.execPath,
      args: [job, '--kernel', kernel, '--directory', directory, '--checkpoint', checkpoint],
    })),
  )
  const results = await interleaved(jobs, repeats)
  const of = (each, what) => median(results.get(each).map((run) => run[what]))
  printTable(
    ['', 'loop s', 'process s', 'process / none', 'checkpoints'],
    jobs.map((each) => {
      const none = jobs.find(({ kernel, checkpoint }) => kernel === each.kernel && checkpoint === 'none')
      return [
        `${each.kernel}, ${each.checkpoint}`,
        fixed(of(each, 'train'), 3),
        fixed(of(each, 'process'), 3),
        fixed(of(each, 'process') / of(none, 'process'), 3),
        of(each, 'checkpoints'),
      ]
    }),
  )
}

/**
 * Runs `verify-resume` on the digits, on a network with dropout and augmentation and, if CIFAR-10 is there, on an
 * experiment. Sets exit code 1 if one fails.
 */
export async function kills({ directory, count }) {
  const cases = [
    ['digits', '--kills', String(count)],
    [everythingRandom, '--kills', String(Math.ceil(count / 4))],
  ]
  if (directory)
    cases.push(['cifar10/experiment-3', '--set', `directory=${directory}`, '--kills', String(Math.ceil(count / 10))])
  for (const args of cases) {
    console.log(`\nmillrace verify-resume ${args.join(' ')}`)
    const child = spawn(process.execPath, [program, 'verify-resume', ...args], { stdio: 'inherit' })
    const code = await new Promise((resolve) => child.on('close', resolve))
    if (code !== 0) process.exitCode = 1
  }
}
