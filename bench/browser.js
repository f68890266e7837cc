import { existsSync } from 'node:fs'

/** Where Chromium is installed; undefined if it is not. */
export const browserPath = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/google-chrome'].find(
  (path) => path && existsSync(path),
)
