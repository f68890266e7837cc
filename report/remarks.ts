/** The most remarks on one directory. */
const MAX_REMARKS = 50

/** The first remarks on a directory, and the number of the others: a directory may have thousands of odd entries. */
export function firstRemarks(remarks: readonly string[]): readonly string[] {
  if (remarks.length <= MAX_REMARKS) return remarks
  return [...remarks.slice(0, MAX_REMARKS), `… and ${remarks.length - MAX_REMARKS} more remarks`]
}
