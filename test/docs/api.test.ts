import { execFile } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { temporary } from '../stages/harness.js'

/** The files below a folder with their contents. */
function contents(folder: string): Record<string, string> {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  const paths = entries.map((entry) => join(entry.parentPath, entry.name)).sort()
  return Object.fromEntries(paths.map((path) => [path.slice(folder.length + 1), readFileSync(path, 'utf8')]))
}

t.test('docs/api is what typedoc makes of the sources, and every type that is used is exported', async (t) => {
  const out = temporary(t)
  // Fails if a type that is used is not exported.
  await promisify(execFile)('npx', ['--no-install', 'typedoc', '--out', out])
  const [made, kept] = [contents(out), contents('docs/api')]
  t.same(Object.keys(kept), Object.keys(made), 'npm run docs makes these files')
  for (const [name, text] of Object.entries(made))
    t.ok(kept[name] === text, `${name} is up to date; else: npm run docs`)
})
