export { hasItems, offer, performAll, serve, share } from './parallel'
export { penalty } from './penalty'
export { descendBias, scratchBytes, sumScores, sumSlopes } from './phases'
