import { readFileSync } from 'node:fs'
import { packagePath } from '../../kernels/places.js'

export { entryPoint, packagePath } from '../../kernels/places.js'

/** The version of Millrace, read from its `package.json`. */
export const { version } = JSON.parse(readFileSync(packagePath('package.json'), 'utf8')) as { readonly version: string }
