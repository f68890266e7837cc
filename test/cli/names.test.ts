import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { millrace } from './in-process.js'

t.test('a run has the name of its definition, and its directory the slug of it', async (t) => {
  const cwd = t.testdir({ 'p.yaml': 'name: Größe & my run\nextends: digits\nvars: { epochs: 1 }\n' })
  for (const number of ['001', '002']) {
    const { code, stdout } = await millrace(['run', 'p.yaml'], cwd)
    t.equal(code, 0)
    const [directory] = /runs\/Grosse-my-run-[0-9a-f]{8}-\d{3}/.exec(stdout)!
    t.equal(directory!.slice(-3), number)
    t.equal(JSON.parse(readFileSync(join(cwd, directory!, 'run.json'), 'utf8')).name, 'Größe & my run')
    t.match(readFileSync(join(cwd, directory!, 'pipeline.yaml'), 'utf8'), /^name: Größe & my run$/m)
  }
  t.equal(readdirSync(join(cwd, 'runs')).length, 2)
})

t.test('names with control characters are refused wherever a definition has them', async (t) => {
  const stage = (rest: string) => `stages:\n  - use: load/digits\n${rest}`
  const cases: Record<string, string> = {
    'a var': `vars: { "a\\nok": 1 }\n${stage('')}`,
    'a split': `stages:\n  - use: load/csv\n    with: { files: { "tr\\e[2Kain": a.csv } }\n`,
    'a share': `stages:\n  - use: load/csv\n    with: { path: a.csv, fractions: { "a\\u202eb": 1 } }\n`,
    'an id': stage('    id: "a\\nb"\n'),
    'a stage': 'stages:\n  - use: "load/x\\nok: all is well"\n',
    'a source': stage('  - use: normalize/standardize\n    from: "a\\nok"\n'),
    'an option': stage('    with: { "a\\nok": 1 }\n'),
    'a metric': `published: { source: x, "a\\nok": { value: 1 } }\n${stage('')}`,
    'a patch': `extends: digits\npatch:\n  - { remove: "a\\nok" }\n`,
    'a base': 'extends: "a\\nok"\n',
    'a setting': `${stage('')}sweep: { grid: { "a\\nok": [1] } }\n`,
  }
  const cwd = t.testdir(Object.fromEntries(Object.entries(cases).map(([name, text]) => [`${name}.yaml`, text])))
  for (const name of Object.keys(cases)) {
    const { code, stdout, stderr } = await millrace(['validate', `${name}.yaml`], cwd)
    t.equal(code, 2, name)
    t.equal(stdout, '')
    const lines = stderr.trimEnd().split('\n')
    t.match(lines.pop(), /^\d problems?$/)
    for (const line of lines) t.match(line, /^a.*\.yaml:\d+:\d+ {2}/, `${name}: each line is a problem`)
    t.notMatch(stderr, /[^\n\P{Cc}]/u, name)
  }
})
