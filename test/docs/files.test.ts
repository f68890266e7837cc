import { existsSync, readdirSync, readFileSync } from 'node:fs'
import t from 'tap'

const pages = ['README.md', 'CONTRIBUTING.md', 'SECURITY.md', ...readdirSync('docs').map((name) => `docs/${name}`)]

t.test('every test that the documentation names is there', async (t) => {
  for (const page of pages.filter((name) => name.endsWith('.md'))) {
    const paths = readFileSync(page, 'utf8').match(/(?<![\w/])test\/[\w./-]*[\w/]|[\w./-]+\.test\.ts/g) ?? []
    t.strictSame(
      paths.filter((path) => !existsSync(path) && !existsSync(`test/${path}`)),
      [],
      page,
    )
  }
})
