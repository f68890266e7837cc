import { createRequire } from 'node:module'

/**
 * The package for zip files. It is no import, because it makes its tables when it is loaded, which would take each start of a command
 * longer than reading its pipeline.
 */
export function zipFiles(): typeof import('fflate') {
  return createRequire(import.meta.url)('fflate')
}
