export { run, serve, wake } from './parallel'
export { descendBias, scratchBytes, sumScores, sumSlopes } from './phases'
