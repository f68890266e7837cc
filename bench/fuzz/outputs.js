import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { Pipeline } from '../../dist/index.js'
import { makeRunDirectory } from '../../dist/pipeline/directory/run-directory.js'
import { absurdPaths, data, text } from './mutations.js'
import { outcomeOf } from './outcome.js'

const parts = fc.oneof(text, fc.constantFrom('a', 'b.csv', '..', '.', '', '/', '\\', ...absurdPaths))
const names = fc.oneof(
  parts,
  fc.array(parts, { maxLength: 6 }).map((all) => all.join('/')),
  fc.array(parts, { maxLength: 4 }).map((all) => all.join('\\')),
)

const sinks = ['csv', 'parameters']

/** Writes every name that passes the check. For any name, only the run directory may change. */
async function write([first, second], folder) {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(join(folder, 'run'), { recursive: true })
  writeFileSync(join(folder, 'canary'), '')
  const outcome = await outcomeOf(
    async () => {
      const pipeline = (await Pipeline.load('digits')).set('csv', { path: first }).set('parameters', { path: second })
      const directory = makeRunDirectory(pipeline.name, { out: join(folder, 'run') })
      try {
        for (const sink of sinks) {
          const { path } = pipeline.graph.nodes.find(({ id }) => id === sink).options
          directory.write(path, 'x')
          if (!existsSync(join(folder, 'run', path))) throw new Error(`${path} was not written where it should`)
        }
      } finally {
        directory.release()
      }
    },
    ['DEFINITION', 'WRITE'],
    /digits\.yaml|code|cannot/,
  )
  const around = readdirSync(folder).sort().join()
  if (around !== 'canary,run') throw new Error(`there is more beside the run directory: ${around}`)
  const left = readdirSync(join(folder, 'run'), { recursive: true }).filter((name) => /\.part$/.test(name))
  if (left.length > 0) throw new Error(`left over: ${left}`)
  return outcome
}

/** The reader of output paths. */
export const outputs = [
  {
    name: 'output paths',
    weight: 8,
    inputs: fc.tuple(fc.oneof({ weight: 9, arbitrary: names }, { weight: 1, arbitrary: data }), names),
    check: write,
  },
]
