import { readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import t from 'tap'
import { parse } from 'yaml'
import { Pipeline, run } from '../../dist/index.js'
import { builtInStages } from '../../dist/pipeline/graph/registry.js'
import { referencePages } from '../../dist/reference/pages.js'
import { temporary } from '../stages/harness.js'

const pages = await referencePages()

t.test('docs/reference is what the schemas say', async (t) => {
  t.strictSame(readdirSync('docs/reference').sort(), [...pages.keys()].sort(), 'npm run docs makes these files')
  for (const [name, text] of pages)
    t.ok(readFileSync(`docs/reference/${name}`, 'utf8') === text, `${name} is up to date; else: npm run docs`)
})

t.test('every stage and every option has a row with a description', async (t) => {
  for (const [name, stage] of await builtInStages()) {
    const page = pages.get(`${name.split('/')[0]}.md`)!
    const section = page.split(/^## /m).find((part) => part.startsWith(`${name}\n`))!
    t.ok(section.includes(stage.summary), name)
    for (const option of Object.keys((stage.options as { shape?: object }).shape ?? {}))
      t.match(section, new RegExp(`^\\| \`${option}\` \\|.*\\| [^|]+ \\|$`, 'm'), `${name}: ${option}`)
  }
})

t.test('every file of a run, and every key of its record, is on the page of run directories', async (t) => {
  const out = join(temporary(t), 'run')
  let pipeline = await Pipeline.load('digits', { set: ['epochs=1'] })
  for (const name of ['jsonl', 'arrow', 'parquet', 'tensorboard', 'dvclive'])
    pipeline = pipeline.insertAfter('metrics', { use: `sink/${name}`, from: 'metrics' })
  await run(pipeline, { out, kernel: 'reference' })
  const text = pages.get('run-directory.md')!
  const rows = [...text.matchAll(/^\| `([^`]+)` \|/gm)].map(([, file]) => file!)
  const known = rows.flatMap((row) => {
    const [first, ...endings] = row.split(', ')
    return [first!, ...endings.map((ending) => first!.replace(/\.\w+$/, ending))]
  })
  const isKnown = (file: string) =>
    known.some((row) => (row.endsWith('/') ? file.startsWith(row) : file === row.replace('NAME', 'metrics')))
  const entries = readdirSync(out, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  const files = entries.map((entry) => relative(out, join(entry.parentPath, entry.name)))
  t.ok(files.length > 12, `${files.length} files`)
  t.strictSame(
    files.filter((file) => !isKnown(file)),
    [],
  )
  const keys = Object.keys(JSON.parse(readFileSync(join(out, 'run.json'), 'utf8')))
  t.strictSame(
    keys.filter((key) => !rows.includes(key)),
    [],
  )
})

t.test('tables keep their columns, whatever descriptions hold, and examples are YAML', async (t) => {
  for (const [name, text] of pages) {
    for (const [rows] of text.matchAll(/(?:^\|.*\n)+/gm)) {
      const widths = rows
        .trim()
        .split('\n')
        .map((row) => row.split(/(?<!\\)\|/).length)
      t.strictSame(new Set(widths).size, 1, name)
    }
    for (const [, yaml] of text.matchAll(/^```yaml\n(.*?)^```/gms)) t.ok(Array.isArray(parse(yaml!)), name)
  }
})
