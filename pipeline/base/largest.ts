/**
 * The largest of any count of numbers and `least`. `Math.max(...numbers)` overflows the stack from some hundred thousand
 * numbers on.
 */
export function largest(numbers: Iterable<number>, least = 0): number {
  let most = least
  for (const number of numbers) if (number > most) most = number
  return most
}
