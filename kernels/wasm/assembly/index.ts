export { hasItems, offer, performAll, serve, share } from './parallel'
export { descendBias, scratchBytes, sumScores, sumSlopes } from './phases'
