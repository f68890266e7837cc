import { readFileSync } from 'node:fs'
import { packagePath } from '../../kernels/places.js'

export { entryPoint, packagePath } from '../../kernels/places.js'

/** Whether a file is part of Millrace or of another package. */
export function isInPackage(file: string): boolean {
  return file.startsWith(packagePath('configs')) || file.split(/[\\/]/).includes('node_modules')
}

/** The version of Millrace, read from its `package.json`. */
export const { version } = JSON.parse(readFileSync(packagePath('package.json'), 'utf8')) as { readonly version: string }
