import { existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { Pipeline, type ReadOptions, run } from '../../../dist/index.js'
import { errorOf, temporary } from '../harness.js'

const csv = `x,label\n${Array.from({ length: 40 }, (_, i) => `${i},${i % 2}`).join('\n')}\n`

/** A folder with data, and a pipeline that caches it. */
function folderOf(t: Test, options = '{}'): { readonly folder: string; readonly file: string } {
  const folder = temporary(t, { 'data.csv': csv })
  const file = join(folder, 'p.yaml')
  writeFileSync(
    file,
    `stages:\n  - use: load/csv\n    with: { path: ${join(folder, 'data.csv')} }\n` +
      `  - use: cache/arrow\n    with: ${options}\n  - use: sink/arrow\n    with: { path: rows.arrows }\n`,
  )
  return { folder, file }
}

async function ran(file: string, out: string, options: ReadOptions = {}) {
  return run(await Pipeline.load(file, options), { out, kernel: 'reference' })
}

t.test('a cache lies beside the data only if the definition is the own one of the user', async (t) => {
  const strangers = {
    'no code': { plugins: false },
    elsewhere: { isDetached: true },
    'of a run': { runDirectory: '/nowhere' },
  }
  for (const [name, options] of Object.entries(strangers)) {
    const { folder, file } = folderOf(t)
    const { record } = await ran(file, join(folder, 'run'), options)
    t.notOk(existsSync(join(folder, '.millrace-cache')), name)
    t.equal(readdirSync(join(folder, 'run/.millrace-cache')).length, 1)
    t.strictSame(
      Object.keys(record.files ?? {}).filter((path) => /cache/.test(path)),
      [],
      'it is no output',
    )
  }
  const { folder, file } = folderOf(t)
  await ran(file, join(folder, 'run'))
  t.equal(readdirSync(join(folder, '.millrace-cache')).length, 1)
  t.notOk(existsSync(join(folder, 'run/.millrace-cache')))
  await ran(file, join(folder, 'theirs'), { plugins: false })
  t.notOk(existsSync(join(folder, 'theirs/.millrace-cache')), 'one that lies there is read')
  writeFileSync(join(folder, 'pipeline.yaml'), '')
  mkdirSync(join(folder, 'checkpoint'))
  writeFileSync(join(folder, 'data.csv'), csv.replace('39', '40'))
  await ran(file, join(folder, 'third'))
  t.equal(readdirSync(join(folder, 'third/.millrace-cache')).length, 1, 'the folder is now the directory of a run')
})

t.test('directory follows the rules of output paths', async (t) => {
  for (const path of ['../out', '/tmp/../etc', 'a/../../b'])
    t.match(await errorOf(Pipeline.load(folderOf(t, `{ directory: "${path}" }`).file)), [
      'DEFINITION',
      /directory.*expected a path inside the run directory/,
    ])
  const { folder, file } = folderOf(t, '{ directory: DIR }')
  const set = [`arrow.directory=${join(folder, 'kept')}`]
  t.match(await errorOf(Pipeline.load(file, { set })), ['DEFINITION', /--allow-absolute-paths permits it/])
  await ran(file, join(folder, 'absolute'), { set, allowAbsolutePaths: true })
  t.equal(readdirSync(join(folder, 'kept')).length, 1)
  await ran(file, join(folder, 'run'))
  t.equal(readdirSync(join(folder, 'run/DIR')).length, 1)
  t.match(await errorOf(Pipeline.load(file, { set: ['arrow.directory=run.json'] })), [
    'DEFINITION',
    'already written by the run itself',
  ])
})

t.test(
  'no link leads a cache out of the folder of the data or of the run',
  { skip: process.platform === 'win32' },
  async (t) => {
    for (const [options, place] of [
      ['{}', '.millrace-cache'],
      ['{ directory: DIR }', 'run/DIR'],
    ] as const) {
      const { folder, file } = folderOf(t, options)
      for (const name of ['outside', 'run']) mkdirSync(join(folder, name))
      symlinkSync(join(folder, 'outside'), join(folder, place))
      t.match(await errorOf(ran(file, join(folder, 'run'))), ['WRITE', 'is a symbolic link, which is not followed'])
      t.strictSame(readdirSync(join(folder, 'outside')), [])
    }
  },
)
