import { existsSync } from 'node:fs'
import { type Browser, chromium, type Page } from 'playwright-core'
import type { Test } from 'tap'

const paths = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']

/** Where a browser is installed; undefined if none is. */
export const browserPath: string | undefined = [process.env.CHROMIUM ?? '', ...paths].find((path) => existsSync(path))

/** The options of a test that needs a browser: without one, it is skipped by name. */
export const needsBrowser = browserPath === undefined ? { skip: 'needs chromium' } : {}

/** Starts a browser that ends with the test. */
export async function openBrowser(t: Test): Promise<Browser> {
  const browser = await chromium.launch({
    executablePath: browserPath!,
    args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-background-networking', '--no-first-run'],
  })
  t.teardown(() => browser.close())
  return browser
}

/** Opens a page, and collects what it reports to its console. */
export async function openPage(
  browser: Browser,
  url: string,
): Promise<{ readonly page: Page; readonly errors: string[] }> {
  const page = await browser.newPage()
  const errors: string[] = []
  page.on('console', (message) => ['error', 'warning'].includes(message.type()) && errors.push(message.text()))
  page.on('pageerror', (error) => errors.push(error.message))
  await page.goto(url)
  return { page, errors }
}
