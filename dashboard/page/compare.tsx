import { useState } from 'preact/hooks'
import type { RunDifference } from '../contract.js'
import { useAnswer } from './answer.js'
import { chosenRuns, labelOf } from './state.js'
import { Headings } from './table-parts.js'

/** What differs between two of the chosen runs. */
export function Compare() {
  const list = chosenRuns.value
  const [ids, setIds] = useState<readonly [string, string]>(['', ''])
  const known = (id: string, otherwise: number): string =>
    list.some((run) => run.id === id) ? id : (list[otherwise]?.id ?? '')
  const [first, second] = [known(ids[0], 0), known(ids[1], 1)]
  const address = first && second ? `/api/difference/${first}/${second}` : undefined
  const { value: difference, problem } = useAnswer<RunDifference>(address)
  if (list.length < 2) return <p class="empty">Choose two runs in the table to see how they differ.</p>
  const select = (label: string, value: string, change: (id: string) => void) => (
    <label>
      {label}{' '}
      <select value={value} onChange={(event) => change(event.currentTarget.value)}>
        {list.map((run) => (
          <option key={run.id} value={run.id}>
            {labelOf(run)}
          </option>
        ))}
      </select>
    </label>
  )
  return (
    <>
      <form class="controls" onSubmit={(event) => event.preventDefault()}>
        {select('First', first, (id) => setIds([id, second]))}
        {select('Second', second, (id) => setIds([first, id]))}
      </form>
      {problem && <p class="problem">{problem}</p>}
      {!difference && !problem && <p class="empty">Comparing …</p>}
      {difference?.groups.map(({ title, rows }) => (
        <section key={title}>
          <h3>{title}</h3>
          {rows.length === 0 ? (
            <p class="empty">No difference.</p>
          ) : (
            <div class="scroll">
              <table class="difference">
                <Headings names={['What', 'First', 'Second']} />
                <tbody>
                  {rows.map(([what, a, b]) => (
                    <tr key={what}>
                      <th scope="row">{what}</th>
                      <td>{a}</td>
                      <td>{b}</td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </div>
          )}
        </section>
      ))}
      {difference?.remarks.map((remark) => (
        <p key={remark}>{remark}</p>
      ))}
    </>
  )
}
