import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { referencePages } from './pages.js'

// Part of `npm run docs`: writes docs/reference anew.
const folder = 'docs/reference'
const pages = await referencePages()
rmSync(folder, { recursive: true, force: true })
mkdirSync(folder, { recursive: true })
for (const [name, text] of pages) writeFileSync(join(folder, name), text)
