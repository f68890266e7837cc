import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import t from 'tap'

/** `import { NAMES } from 'FILE'` of a file that no type checker reads. */
const imports = /^import \{([^}]+)\} from '(\.[^']+)'/gm

t.test('benches import names of the product that exist', async (t) => {
  const benches = readdirSync('bench', { recursive: true }).map(String)
  let count = 0
  for (const bench of benches.filter((name) => name.endsWith('.js'))) {
    const path = join('bench', bench)
    for (const [, names, file] of readFileSync(path, 'utf8').matchAll(imports)) {
      const url = new URL(file!, pathToFileURL(path))
      if (!url.pathname.includes('/dist/')) continue
      const exported: object = await import(url.href)
      for (const name of names!.split(',').map((each) => each.trim().split(' as ')[0]!)) {
        if (name !== '') t.ok(name in exported, `${path}: ${name}`)
        count++
      }
    }
  }
  t.ok(count > 100, `${count} names`)
})
