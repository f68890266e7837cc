/** Addresses, phases and constants that the module and its JavaScript side share. */
export * from './layout.generated.js'

/** Returns `n` rounded up to a multiple of `unit`. */
export const roundUp = (n: number, unit: number): number => Math.ceil(n / unit) * unit
