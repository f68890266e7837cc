import { readdirSync, readFileSync } from 'node:fs'
import t from 'tap'
import { parse } from 'yaml'
import { builtInStages } from '../../dist/pipeline/graph/registry.js'
import { referencePages } from '../../dist/reference/pages.js'

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
