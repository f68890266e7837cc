import { InvalidArgumentError } from 'commander'

/** Gathers the values of an option that may be given several times. */
export function collect(value: string, before: string[]): string[] {
  return [...before, value]
}

export function wholeNumber(text: string): number {
  const number = Number(text)
  if (text.trim() !== '' && Number.isSafeInteger(number) && number >= 0) return number
  throw new InvalidArgumentError('expected a whole number from 0.')
}

export function atLeastOne(text: string): number {
  const number = wholeNumber(text)
  if (number >= 1) return number
  throw new InvalidArgumentError('expected a whole number from 1.')
}

export function positiveNumber(text: string): number {
  const number = wholeNumber(text)
  if (number >= 1 && number <= 256) return number
  throw new InvalidArgumentError('expected a whole number from 1 to 256.')
}
