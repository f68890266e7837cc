import { parseArgs } from 'node:util'

const known = ['reference', 'kernels', 'scaling', 'memory', 'checkpoint', 'kills', 'leaks', 'fuzz']

const usage = `npm run bench [-- PART ... OPTIONS]

Parts: ${known.join(', ')} (default: the first three)

  --repeats N   measure each so often, taking turns (default: 5)
  --data DIR    the folder that has cifar-10-batches-bin (default: MILLRACE_DATA, or data)
  --plot FILE   scaling: draw it as SVG
  --install     install tfjs from npm first, to run the reference job with it, too
  --kills N     kills: how many (default: 200)
  --inputs N    fuzz: how many (default: 100000)
  --seed N      fuzz: which (default: 1)`

/** What the command line asks for; prints the usage and exits where it asks for help, or for what there is not. */
export function asked(args) {
  const options = Object.fromEntries(
    ['repeats', 'data', 'plot', 'kills', 'inputs', 'seed'].map((name) => [name, { type: 'string' }]),
  )
  const defaults = {
    repeats: '5',
    data: process.env.MILLRACE_DATA ?? 'data',
    kills: '200',
    inputs: '100000',
    seed: '1',
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
    if (other !== undefined) throw new Error(`there is no part "${other}"`)
    for (const name of ['repeats', 'kills', 'inputs', 'seed'])
      if (!/^[1-9]\d*$/.test(values[name] ?? '1'))
        throw new Error(`--${name}: expected a whole number from 1, got "${values[name]}"`)
    return { flags: { ...defaults, ...values }, parts: positionals.length > 0 ? positionals : known.slice(0, 3) }
  } catch (error) {
    console.error(`${error.message}\n\n${usage}`)
    process.exit(2)
  }
}
