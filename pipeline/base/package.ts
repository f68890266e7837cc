import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** The folder of the installed package, seen from `dist/pipeline/base/`. */
const home = new URL('../../../', import.meta.url)

/** The absolute path of a file or folder that comes with the package, for instance `configs`. */
export function packagePath(path: string): string {
  return fileURLToPath(new URL(path, home))
}

/** The version of Millrace, from its `package.json`. */
export const { version } = JSON.parse(readFileSync(packagePath('package.json'), 'utf8')) as { readonly version: string }
