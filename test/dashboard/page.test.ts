import { join } from 'node:path'
import t from 'tap'
import { serveDashboard } from '../../dist/dashboard/server.js'
import { needsBrowser, openBrowser, openPage } from './chromium.js'
import { folderWithRun, multiply, runningCopy } from './runs.js'

t.test(
  'the page shows a run while it grows, and its figures, and comes back after the server',
  needsBrowser,
  async (t) => {
    const folder = await folderWithRun(t)
    const append = runningCopy(folder)
    const roots = [join(folder, 'runs')]
    const token = 'a-token-that-stays-the-same'
    let server = await serveDashboard({ roots, token })
    t.teardown(() => server.close())
    const browser = await openBrowser(t)
    const { page, errors } = await openPage(browser, server.url)
    t.notMatch(page.url(), 'token', 'the token is not in the address any more')

    await page.getByLabel('Curves of digits-002').check()
    await page.locator('.u-over').first().waitFor()
    const chart = page.locator('section.chart').first()
    await chart.locator('summary').click()
    const start = performance.now()
    append(3, '0.125')
    await chart.locator('tbody tr', { hasText: '0.125' }).first().waitFor()
    const delay = performance.now() - start
    t.comment(`the new point was on the page after ${delay.toFixed(0)} ms`)

    const port = Number(new URL(server.url).port)
    server.close()
    await page.getByText('no connection').waitFor()
    append(4, '0.0625')
    server = await serveDashboard({ roots, token, port })
    await chart.locator('tbody tr', { hasText: '0.0625' }).first().waitFor()
    t.equal(await chart.locator('tbody tr').count(), 4, 'no row is lost or comes twice')

    await page.getByRole('button', { name: 'digits-001' }).click()
    await page.locator('figure img').first().waitFor()
    const widths = await page.locator('figure img').evaluateAll((images) =>
      Promise.all(
        images.map(async (image) => {
          const { naturalWidth, decode } = image as unknown as { naturalWidth: number; decode(): Promise<void> }
          await decode.call(image)
          return (image as unknown as { naturalWidth: number }).naturalWidth || naturalWidth
        }),
      ),
    )
    t.ok(widths.length >= 2 && widths.every((width) => width > 0), 'figures are drawn')
    t.ok(await page.locator('svg.graph .stage').count(), 'the pipeline is drawn')

    const unnamed = await page.evaluate(unnamedControls)
    t.strictSame(unnamed, [], 'every control has a name')
    t.strictSame(
      errors.filter((text) => !/ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED/.test(text)),
      [],
    )
  },
)

t.test('500 runs are in the table at once, and 50 curves are drawn', needsBrowser, async (t) => {
  const folder = await folderWithRun(t)
  multiply(folder, 500, 200)
  const { url, close } = await serveDashboard({ roots: [join(folder, 'many')] })
  t.teardown(close)
  const browser = await openBrowser(t)
  const { page, errors } = await openPage(browser, url)
  await page.locator('.runs tbody tr').first().waitFor()
  const paint = await page.evaluate('performance.getEntriesByName("first-contentful-paint")[0].startTime')
  t.comment(`first paint after ${Number(paint).toFixed(0)} ms`)
  t.ok(Number(paint) < 5000, 'the first paint does not wait for all runs')
  await page.getByText('500 of 500 runs').waitFor()
  await page.getByRole('searchbox').fill('eta=0.03')
  await page.getByText('50 of 500 runs').waitFor()
  await page.getByRole('button', { name: 'Choose 50' }).click()
  await page.locator('.u-over').first().waitFor()
  t.strictSame(errors, [])
})

/** Buttons, fields and images without a name for screen readers. */
const unnamedControls = `[...document.querySelectorAll('button, input, select, img, [role=img]')]
  .filter((node) => !(node.textContent.trim() || node.getAttribute('aria-label') || node.alt || node.labels?.length))
  .map((node) => node.outerHTML)`
