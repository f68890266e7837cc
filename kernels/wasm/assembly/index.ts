// What `module.ts` on the JavaScript side calls.
export { hasItems, offer, performAll, serve, share } from './parallel'
export { penalty } from './penalty'
export { listSlopes } from './nonzero'
export { pairSlopes, scratchBytes, sumGradients, sumScores, takeSlopes, updateBias } from './phases'
