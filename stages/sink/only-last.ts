import { type MonoTypeOperatorFunction, reduce } from 'rxjs'

/** What comes last, at the end: `takeLast(1)` without its list, which changes with every step. */
export function onlyLast<T>(): MonoTypeOperatorFunction<T> {
  return reduce((_, next) => next)
}
