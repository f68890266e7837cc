import { existsSync } from 'node:fs'
import { availableParallelism, loadavg } from 'node:os'
import { fileURLToPath } from 'node:url'
import { fixed, interleaved, median, printTable, works } from './measure.js'

/** Debian's Python has Debian's NumPy and PyTorch; the PATH may have another Python first. */
const python = existsSync('/usr/bin/python3') ? '/usr/bin/python3' : 'python3'
const job = (name) => fileURLToPath(new URL(`jobs/${name}`, import.meta.url))

/** The trainings: the second one of the published series, and a wider one with Adam. */
const trainings = [
  {
    name: 'two layers, 3072-50-10, sgd, batches of 100',
    options: { sizes: '3072-50-10', batch: 100, steps: 1000, update: 'sgd', eta: 0.01, lambda: 0.01 },
  },
  {
    name: 'three layers, 784-512-256-10, Adam, batches of 128',
    options: { sizes: '784-512-256-10', batch: 128, steps: 500, update: 'adam', eta: 0.001, lambda: 0 },
  },
]

/**
 * Times the steps of two networks here and elsewhere, in turns, by processor time per thread (which other programs on
 * the machine disturb less) and by the clock, beside the sgemm of NumPy in the same run.
 */
export async function networks({ kernels, repeats }) {
  const peers = []
  for (const [name, module, file] of [
    ['NumPy', 'numpy', 'network_numpy.py'],
    ['PyTorch', 'torch', 'network_torch.py'],
  ])
    if (await works(python, ['-c', `import ${module}`])) peers.push({ name, command: python, file })
    else console.log(`  (left out: ${name}; apt-get install python3-${module})`)
  for (const { name, options } of trainings)
    for (const threads of new Set([1, availableParallelism()])) {
      console.log(`\n${name}, ${options.steps} steps, ${threads} thread${threads > 1 ? 's' : ''}`)
      await compare(options, threads, kernels, peers, repeats)
    }
}

async function compare(options, threads, kernels, peers, repeats) {
  const args = [...Object.entries(options).flat(), 'threads', threads].map((each, i) => (i % 2 ? each : `--${each}`))
  const jobOf = (name, command, file, ...more) => ({
    name,
    command,
    args: [job(file), ...args, ...more].map(String),
    env: { OPENBLAS_NUM_THREADS: String(threads), OMP_NUM_THREADS: String(threads) },
  })
  const jobs = [
    ...kernels.map((kernel) => jobOf(kernel, process.execPath, 'network.js', '--kernel', kernel)),
    ...peers.map(({ name, command, file }) => jobOf(name, command, file)),
  ]
  const [first] = peers
  const roof = first?.name === 'NumPy' ? [jobOf('sgemm', python, 'network_numpy.py', '--roofline')] : []
  // Adam takes time beside the products; they show in steps of sgd.
  const isSgd = options.update === 'sgd'
  const plain = jobOf('native, sgd', process.execPath, 'network.js', '--kernel', 'native', '--update', 'sgd')
  const load = loadavg()[0]
  const isTakenApart = threads === 1 && kernels.includes('native')
  const results = await interleaved([...roof, ...jobs, ...(isTakenApart && !isSgd ? [plain] : [])], repeats)
  const limit = roof.length > 0 ? printRoofline(results.get(roof[0])) : undefined
  const of = (each, what) => median(results.get(each).map((result) => result[what]))
  const cpu = (each) => of(each, 'cpu') / threads
  const rivals = jobs.filter(({ name }) => !kernels.includes(name)).map(cpu)
  const best = rivals.length > 0 ? Math.min(...rivals) : undefined
  const flop = flopOf(options) * options.steps
  printTable(
    ['', 'CPU s a thread', 'clock s', 'GFLOP/s a thread', 'of sgemm', 'CPU / best peer', 'max RSS MB'],
    jobs.map((each) => [
      each.name,
      fixed(cpu(each), 3),
      fixed(of(each, 'wall'), 3),
      fixed(flop / of(each, 'cpu') / 1e9, 1),
      percent(limit && flop / of(each, 'cpu') / 1e9 / limit),
      fixed(best && cpu(each) / best, 2),
      fixed(of(each, 'rss'), 0),
    ]),
  )
  if (isTakenApart) {
    printProducts(options.update, results.get(jobs.find(({ name }) => name === 'native')), options, limit)
    if (!isSgd) printProducts('sgd instead', results.get(plain), options, limit)
  }
  console.log(`  load of the machine when it began: ${load.toFixed(1)}`)
}

function printRoofline(found) {
  const [{ gflops, blas, numpy }] = found
  const best = Object.keys(gflops).map((name) => [name, median(found.map((each) => each.gflops[name]))])
  const shown = best.map(([name, value]) => `${name} ${value.toFixed(0)}`).join(', ')
  console.log(`  sgemm of NumPy ${numpy} (${blas}), GFLOP/s a thread: ${shown}`)
  return best[0][1]
}

/** The functions of the addon: the fastest tenth of the steps by the clock. */
function printProducts(update, found, { sizes, batch, steps }, limit) {
  const wide = sizes.split('-').map(Number)
  const work = (from) => wide.slice(from, -1).reduce((sum, n, i) => sum + 2 * batch * n * wide[i + from + 1], 0) * steps
  const rows = [
    ['outputs', ['outputs'], work(0)],
    ['gradients and updates', ['stepSlopes'], work(0)],
    ['slopes by inputs', ['inputSlopes'], work(1)],
    ['all of them', ['outputs', 'stepSlopes', 'inputSlopes'], 2 * work(0) + work(1)],
  ].map(([name, keys, flop]) => {
    const seconds = median(found.map(({ spent }) => keys.reduce((sum, key) => sum + spent[key], 0)))
    return [
      `native: ${name}`,
      fixed(seconds, 3),
      fixed(flop / seconds / 1e9, 1),
      percent(limit && flop / seconds / 1e9 / limit),
    ]
  })
  printTable([`products with ${update}, fastest tenth of steps by the clock`, 's', 'GFLOP/s', 'of sgemm'], rows)
  const outside = found.map(({ spent: { outputs, stepSlopes, inputSlopes, outside } }) => {
    return outside / (outputs + stepSlopes + inputSlopes + outside)
  })
  console.log(`  native: outside the kernel ${percent(median(outside))} of a step`)
}

/** The floating-point operations of the products of one step: forward, gradients, and slopes by all inputs but the rows. */
function flopOf({ sizes, batch }) {
  const wide = sizes.split('-').map(Number)
  const weights = wide.slice(1).map((m, i) => m * wide[i])
  return 2 * batch * weights.reduce((sum, n, i) => sum + (i === 0 ? 2 : 3) * n, 0)
}

const percent = (share) => share && `${(100 * share).toFixed(0)} %`
