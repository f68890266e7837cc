import { parseArgs } from 'node:util'

const known = [
  'reference',
  'kernels',
  'scaling',
  'networks',
  'load',
  'memory',
  'checkpoint',
  'kills',
  'killer',
  'leaks',
  'fuzz',
  'faults',
  'dashboard',
  'dashboard-live',
  'commands',
  'gpu',
]

const usage = `npm run bench [-- PART ... OPTIONS]

Parts: ${known.join(', ')} (default: the first three)

  --repeats N   how often to measure each, in turns (default: 5)
  --data DIR    folder that contains cifar-10-batches-bin (default: MILLRACE_DATA, or data)
  --plot FILE   scaling: write a plot to this SVG file
  --install     reference: install tfjs from npm first, to measure it too
  --megabytes N memory: what a set ten times as large may take (default: 1000)
  --kills N     kills, killer: number of kills (default: 200)
  --inputs N    fuzz: number of inputs (default: 100000)
  --seed N      fuzz: seed of the inputs (default: 1)
  --scripts DIR faults: folder of scripts that each look for one fault
  --only TEXT   faults: only the scripts whose names contain this`

/** Reads the command line: flags and parts. Prints the usage and exits on `--help` (0) and on wrong arguments (2). */
export function asked(args) {
  const options = Object.fromEntries(
    ['repeats', 'data', 'plot', 'kills', 'inputs', 'seed', 'scripts', 'only', 'megabytes'].map((name) => [
      name,
      { type: 'string' },
    ]),
  )
  const defaults = {
    repeats: '5',
    data: process.env.MILLRACE_DATA ?? 'data',
    kills: '200',
    inputs: '100000',
    seed: '1',
    megabytes: '1000',
  }
  try {
    const { values, positionals } = parseArgs({
      args,
      allowPositionals: true,
      options: { ...options, install: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } },
    })
    if (values.help) {
      console.log(usage)
      process.exit(0)
    }
    const other = positionals.find((part) => !known.includes(part))
    if (other !== undefined) throw new Error(`unknown part "${other}"`)
    if (positionals.includes('faults') && values.scripts === undefined)
      throw new Error('faults: give the folder of the scripts with --scripts')
    for (const name of ['repeats', 'kills', 'inputs', 'seed', 'megabytes'])
      if (!/^[1-9]\d*$/.test(values[name] ?? '1'))
        throw new Error(`--${name}: expected a positive integer, got "${values[name]}"`)
    return { flags: { ...defaults, ...values }, parts: positionals.length > 0 ? positionals : known.slice(0, 3) }
  } catch (error) {
    console.error(`${error.message}\n\n${usage}`)
    process.exit(2)
  }
}
