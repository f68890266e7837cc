import type { ExpectedCell } from '../pipeline/definition/tests.js'
import type { CellRow } from './cells.js'
import type { Difference } from './compare.js'

/** A row that is expected. */
export type ExpectedRow = Readonly<Record<string, ExpectedCell>>

/** Something that is not as expected. */
export interface Failure {
  /** `file:line:column` of what was expected. */
  readonly where: string
  /** What was expected and what was found, in a line. */
  readonly message: string
  /** The rows side by side, if rows differ. */
  readonly rows?:
    | {
        readonly expected: readonly ExpectedRow[]
        readonly got: readonly CellRow[]
        readonly differences: readonly Difference[]
      }
    | undefined
  /** The first rows that went in, by place. */
  readonly inputs?:
    | readonly { readonly place: string; readonly count: number; readonly rows: readonly CellRow[] }[]
    | undefined
  /** What would make the test pass, by path within the expectation number `expectation`. */
  readonly update?:
    | {
        readonly expectation: number
        readonly values: readonly (readonly [path: readonly (string | number)[], value: unknown])[]
      }
    | undefined
}
