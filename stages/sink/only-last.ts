import { type MonoTypeOperatorFunction, reduce } from 'rxjs'

/** Emits the last value at the end, like `takeLast(1)`, but without a list that is changed for every value. */
export function onlyLast<T>(): MonoTypeOperatorFunction<T> {
  return reduce((_, next) => next)
}
