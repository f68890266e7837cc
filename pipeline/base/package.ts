import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** The folder of the installed package, relative to `dist/pipeline/base/`. */
const packageFolder = new URL('../../../', import.meta.url)

/** The absolute path of a file or folder of the installed package, for example `configs`. */
export function packagePath(path: string): string {
  return fileURLToPath(new URL(path, packageFolder))
}

/** The version of Millrace, read from its `package.json`. */
export const { version } = JSON.parse(readFileSync(packagePath('package.json'), 'utf8')) as { readonly version: string }
