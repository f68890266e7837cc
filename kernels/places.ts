import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/*
 * Where the files of the package lie. The code is built twice: file by file into `dist/`, for tests, and bundled into
 * `lib/`, for users. Only this file knows that.
 */

const [packageFolder, codeFolder] = find()

/** The absolute path of a file or folder of the installed package, for example `configs`. */
export function packagePath(path: string): string {
  return fileURLToPath(new URL(path, packageFolder))
}

/** The URL of a built entry point, for example `kernels/wasm/worker.js`, from the same build as the code that asks. */
export function entryPoint(path: string): URL {
  return new URL(path, codeFolder)
}

/** Looks upwards for the folder with `package.json`. The folder below it, on the way, has the built code. */
function find(): [packageFolder: URL, codeFolder: URL] {
  for (let code = new URL('./', import.meta.url); ; ) {
    const above = new URL('../', code)
    if (existsSync(new URL('package.json', above))) return [above, code]
    if (above.href === code.href) throw new Error(`${import.meta.url} lies in no package`)
    code = above
  }
}
