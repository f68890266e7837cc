/** How rows are dealt into splits is the same in all stages that divide them. */
export { type Dealing, deal, dealByClass, dealing, dealRows, fractions, type Part } from '../../pipeline/stage-kit.js'
