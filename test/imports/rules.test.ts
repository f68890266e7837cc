import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { sources } from '../sources.js'
import { importProblems, unusedExports } from './rules.js'

t.test('the sources import only from their own room and the rooms below, without circles', async (t) => {
  const files = sources()
  t.ok(files.size > 150, `${files.size} files were read`)
  t.strictSame(importProblems(files), [])
})

t.test('a violation is reported with both files and the rule', async (t) => {
  const files = sources()
  const add = (file: string, line: string) => files.set(file, `${line}\n${files.get(file)}`)
  add('kernels/rows.ts', "import type { Flow } from '../pipeline/stage/flow-contract.js'")
  add('stages/batch/rows.ts', "import { Pipeline } from '../../pipeline/graph/pipeline.js'")
  add('stages/stop/gap.ts', "import { patience } from './patience.js'")
  add('pipeline/base/words.ts', "import { suggestion } from './nearest.js'")
  add('pipeline/base/nearest.ts', "import { listed } from './words.js'")
  t.strictSame(
    importProblems(files).sort(),
    [
      'kernels/rows.ts imports pipeline/stage/flow-contract.ts: kernels/ lies below pipeline/stage/',
      'pipeline/base/nearest.ts → pipeline/base/words.ts → pipeline/base/nearest.ts: the imports form a circle',
      'stages/batch/rows.ts imports pipeline/graph/pipeline.ts: stages and learners import pipeline/stage-kit.ts alone, their threads pipeline/thread-kit.ts',
      'stages/stop/gap.ts imports stages/stop/patience.ts: a stage imports no stage',
    ].sort(),
  )
})

t.test('what a source file exports is used in another file', async (t) => {
  const users = ['test', 'bench', 'kernels/wasm'].flatMap((folder) =>
    readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((name) => (folder === 'kernels/wasm' ? name.endsWith('.mjs') : /\.(ts|js)$/.test(name)))
      .map((name) => readFileSync(join(folder, name), 'utf8')),
  )
  const files = sources()
  t.strictSame(unusedExports(files, users), [])
  // Put together, because this file is one of the users.
  const name = ['nobody', 'needs', 'this'].join('')
  files.set('kernels/alone.ts', `export const ${name} = 1\n`)
  t.strictSame(unusedExports(files, users), [`kernels/alone.ts: ${name}`])
})

t.test('a thread or program that a source starts lies in the bundle, too', (t) => {
  const all = [...sources()]
  const started = all.flatMap(([, text]) => [...text.matchAll(/entryPoint\('([^']+)'\)/g)].map(([, path]) => path!))
  t.ok(started.includes('sweep/worker.js'), started.join(', '))
  t.strictSame(
    started.filter((path) => !['dist', 'lib'].every((build) => existsSync(join(build, path)))),
    [],
  )
  // The bundle has no file at another place than this.
  t.strictSame(
    all.filter(([, text]) => /\bnew Worker\((?!\s*entryPoint\()/.test(text)).map(([file]) => file),
    [],
  )
  t.end()
})
