import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { fixed, interleaved, median, printTable, works } from './measure.js'

/** Debian's Python has Debian's NumPy and PyTorch; the PATH may have another Python first. */
const python = existsSync('/usr/bin/python3') ? '/usr/bin/python3' : 'python3'
const job = (name) => fileURLToPath(new URL(`jobs/${name}`, import.meta.url))

/** Times one experiment (40 epochs of 100 steps of 100 rows, three splits evaluated every epoch) here and elsewhere. */
export async function referenceJob({ directory, repeats, kernels }) {
  console.log('\nThe reference job: 40 epochs × 100 steps × 100 rows of CIFAR-10, three splits evaluated every epoch')
  const jobs = [
    ...kernels.flatMap((kernel) => [1, 2].map((threads) => ours(kernel, threads, directory))),
    { ...ours('reference', 1, directory, 1), name: 'millrace reference (1 epoch × 40)', scale: 40, repeats: 1 },
    ...(await peers(directory)),
  ]
  const results = await interleaved(jobs, repeats, ({ name }, { train }, repeat) =>
    process.stderr.write(`  ${repeat + 1}/${repeats} ${name}: ${train.toFixed(2)} s\n`),
  )
  const of = (name) => median(results.get(jobs.find((each) => each.name === name))?.map(({ train }) => train) ?? [])
  const rivals = jobs.filter(({ rival }) => rival)
  const best = rivals.length ? Math.min(...rivals.map(({ name }) => of(name))) : undefined
  printTable(
    [
      '',
      'loop s',
      'min',
      'max',
      'process s',
      'outside kernels',
      'first epoch s',
      'max RSS MB',
      'loop / best of NumPy, PyTorch',
    ],
    jobs.map((each) => {
      const runs = results.get(each)
      const trains = runs.map(({ train }) => train)
      const overhead = median(runs.map((run) => run.overhead))
      return [
        each.name,
        fixed(median(trains)),
        fixed(Math.min(...trains)),
        fixed(Math.max(...trains)),
        fixed(median(runs.map((run) => run.process))),
        overhead === undefined ? undefined : `${(100 * overhead).toFixed(1)} %`,
        fixed(median(runs.map((run) => run.firstEpoch))),
        fixed(median(runs.map((run) => run.rss)), 0),
        best === undefined ? undefined : fixed(median(trains) / best, 3),
      ]
    }),
  )
  for (const { name } of jobs.filter((each) => each.name.startsWith('tfjs')))
    console.log(`${name} / millrace wasm, 1 thread: ${(of(name) / of('millrace wasm, 1 thread')).toFixed(1)}`)
}

function ours(kernel, threads, directory, epochs = 40) {
  return {
    name: `millrace ${kernel}, ${threads} thread${threads > 1 ? 's' : ''}`,
    command: process.execPath,
    args: [
      job('millrace.js'),
      '--kernel',
      kernel,
      '--threads',
      threads,
      '--directory',
      directory,
      '--epochs',
      epochs,
    ].map(String),
  }
}

/** Python code that fails with Debian's plain BLAS, which is seven times slower: comparing with it would be unfair. */
const fastBlas = "assert '/blas/libblas' not in open('/proc/self/maps').read()"

async function peers(directory) {
  const found = []
  const add = async (check, makeJobs, missing) => {
    if (await works(...check)) found.push(...makeJobs())
    else console.log(`  (left out: ${missing})`)
  }
  await add(
    [python, ['-c', `import numpy; ${fastBlas}`]],
    () => [1, 2].map((threads) => pythonJob('NumPy', 'numpy_job.py', threads, directory)),
    'NumPy with OpenBLAS; apt-get install python3-numpy libopenblas0-pthread',
  )
  await add(
    [python, ['-c', `import torch; ${fastBlas}`]],
    () => [1, 2].map((threads) => pythonJob('PyTorch', 'torch_job.py', threads, directory)),
    'PyTorch with OpenBLAS; apt-get install python3-torch libopenblas0-pthread',
  )
  await add(
    ['octave-cli', ['--version']],
    () => [
      { name: 'Octave (float64)', command: 'octave-cli', args: [job('octave_job.m'), directory, '40'], repeats: 1 },
    ],
    'Octave; apt-get install octave',
  )
  if (existsSync(new URL('node_modules/@tensorflow/tfjs', import.meta.url))) {
    const tfjs = (backend, epochs, tuned, repeats) => ({
      name: `tfjs ${backend}${tuned ? ', tuned by hand' : ''}, 1 thread (${epochs} epoch${epochs > 1 ? 's' : ''} × ${40 / epochs})`,
      command: process.execPath,
      args: [
        job('tfjs.js'),
        '--backend',
        backend,
        '--directory',
        directory,
        '--epochs',
        epochs,
        ...(tuned ? ['--tuned'] : []),
      ].map(String),
      scale: 40 / epochs,
      repeats,
    })
    found.push(tfjs('wasm', 4, false, 3), tfjs('wasm', 4, true, 3), tfjs('cpu', 1, false, 1))
  } else console.log('  (left out: tfjs; npm run bench -- --install)')
  return found
}

function pythonJob(name, file, threads, directory) {
  return {
    name: `${name}, ${threads} thread${threads > 1 ? 's' : ''}`,
    rival: true,
    command: python,
    args: [job(file), '--threads', String(threads), '--directory', directory],
    env: { OPENBLAS_NUM_THREADS: String(threads), OMP_NUM_THREADS: String(threads) },
  }
}
