import type { NetworkStep } from '../contract.js'
import type { Params } from './params.js'

/**
 * Update rules in WGSL. A shader that uses them has the bindings `parameters`, `sums`, `first` and `second`, of the same
 * layout. `learners/update-rules.ts` has the formulas.
 */
export const ruleSource = `
/** A mean gradient with its penalties. */
fn penalised(i: u32, mean: vec4f) -> vec4f {
  let w = parameters[i];
  return mean + p.decay * w + p.l1 * sign(w);
}
fn change(i: u32, g: vec4f) {
  let w = parameters[i];
  if (p.rule == 0u) {
    parameters[i] = w - p.eta * g;
  } else if (p.rule == 3u) {
    let m = first[i] + p.gain1 * (g - first[i]);
    let v = second[i] + p.gain2 * (g * g - second[i]);
    first[i] = m;
    second[i] = v;
    parameters[i] = p.keep * w - (p.rate * m) / (sqrt(v) * p.root + p.epsilon);
  } else {
    let v = p.mu * first[i] + g;
    first[i] = v;
    parameters[i] = w - p.eta * select(g + p.mu * v, v, p.rule == 1u);
  }
}
/** Takes the sum of a gradient over rows. */
fn take(i: u32, sum: vec4f) {
  switch p.mode {
    case 0u: { change(i, penalised(i, sum * p.inverse)); }
    case 1u: { sums[i] = sum; }
    case 2u: { sums[i] = sums[i] + sum; }
    default: {}
  }
}
`

/** How many arrays of state a rule has for each array of parameters. */
export const statesOf = { sgd: 0, momentum: 1, nesterov: 1, adam: 2 } as const

/** The numbers of a step as `Params`, for arrays of weights and for others. */
export function ruleOf(update: NetworkStep): { readonly weights: Params; readonly others: Params } {
  const { eta, lambda, rule, l1 = 0 } = update
  const penalties = { decay: 2 * lambda, l1 }
  if (rule === 'sgd') return { weights: { rule: 0, eta, ...penalties }, others: { rule: 0, eta } }
  const { numbers, step } = update
  if (rule !== 'adam') {
    const own = { rule: rule === 'momentum' ? 1 : 2, eta, mu: numbers[0]! }
    return { weights: { ...own, ...penalties }, others: own }
  }
  const [beta1, beta2, epsilon, shrink] = numbers as [number, number, number, number]
  const own = {
    rule: 3,
    gain1: 1 - beta1,
    gain2: 1 - beta2,
    rate: eta / (1 - beta1 ** step),
    root: 1 / Math.sqrt(1 - beta2 ** step),
    // Where there is no parameter, behind the end of a row of weights, all is 0, and must not become 0 / 0.
    epsilon: Math.max(epsilon, 2 ** -126),
  }
  return { weights: { ...own, ...penalties, keep: 1 - eta * shrink }, others: { ...own, keep: 1 } }
}
