// Makes docs/dashboard.png: node bench/dashboard.js [FILE]. Needs a build, and Chromium.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { chromium } from 'playwright-core'
import { serveDashboard } from '../dist/dashboard/server.js'
import { Pipeline, run } from '../dist/index.js'
import { browserPath } from './browser.js'

const file = process.argv[2] ?? 'docs/dashboard.png'
const folder = mkdtempSync(join(tmpdir(), 'millrace-dashboard-'))
for (const [i, [eta, seed]] of [
  [0.02, 1],
  [0.02, 2],
  [0.02, 3],
  [0.1, 1],
  [0.1, 2],
  [0.1, 3],
].entries()) {
  const pipeline = await Pipeline.load('digits', { set: ['epochs=20', `eta=${eta}`], seed })
  await run(pipeline, { out: join(folder, `digits-00${i + 1}`), kernel: 'reference' })
}
const server = await serveDashboard({ roots: [folder] })
const browser = await chromium.launch({
  executablePath: browserPath,
  args: ['--no-sandbox', '--disable-dev-shm-usage'],
})
const page = await browser.newPage({ viewport: { width: 1200, height: 800 } })
await page.goto(server.url)
await page.getByRole('button', { name: 'Choose 6' }).click()
await page.locator('.u-over').first().waitFor()
await page.waitForTimeout(500)
await page.screenshot({ path: file })
await browser.close()
server.close()
rmSync(folder, { recursive: true })
