/**
 * Whether the first line of a file is no row and no header, but has the number of rows, that of features, and the names of
 * the classes, as in the files of scikit-learn: `150,4,setosa,versicolor,virginica`.
 *
 * @param width the number of cells of the other lines
 */
export function isCountsLine(cells: readonly string[], width: number): boolean {
  const [rows = '', features, ...classes] = cells
  const isOdd = cells.length !== width || classes.length > 1
  return (
    isOdd && /^\d+$/.test(rows) && features === `${width - 1}` && classes.every((name) => Number.isNaN(Number(name)))
  )
}
