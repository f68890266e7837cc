/**
 * The thread kit: what of the engine a thread of a stage uses (`*-worker.ts`). The stage kit would load Arrow, rxjs and zod
 * first, which takes longer than many a thread works.
 */
export { fileProblem, messageOf } from './base/errors.js'
export { joinedBytes } from './base/joined.js'
export { readRegularFile } from './files/regular-file.js'
