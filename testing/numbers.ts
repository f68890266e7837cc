/**
 * The shortest number that means the same: a float32 has more digits as a double than it needs. Comparisons take the number
 * itself.
 */
export function shortest(number: number): number {
  if (Math.fround(number) !== number || !Number.isFinite(number)) return number
  for (let digits = 1; digits < 9; digits++) {
    const short = Number(number.toPrecision(digits))
    if (Math.fround(short) === number) return short
  }
  return number
}
