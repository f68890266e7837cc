/** Prints rows of cells as aligned columns: the first to the left, the others to the right. Needs no build. */
export function printTable(header, rows) {
  const cells = [header, ...rows].map((row) => row.map((cell) => String(cell ?? '–')))
  const widths = header.map((_, column) => Math.max(...cells.map((row) => row[column].length)))
  for (const row of cells)
    console.log(row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join('  '))
}

/** A number with fixed decimals; undefined stays undefined. */
export const fixed = (value, digits = 2) => (value === undefined ? undefined : value.toFixed(digits))
