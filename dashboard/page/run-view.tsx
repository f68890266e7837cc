import type { RunDetail, TextTable } from '../contract.js'
import { useAnswer } from './answer.js'
import { Graph } from './graph.js'
import { filesChanged, focus, runs, short } from './state.js'
import { Headings, ShadedCell, Status } from './table-parts.js'

/** Rows of a table that are shown. */
const MOST_ROWS = 200

/** One run: figures as they form, predictions, confusion, the pipeline, facts, files. */
export function RunView() {
  const id = focus.value
  const address = id === undefined ? undefined : `/api/run/${id}`
  const status = id === undefined ? undefined : runs.value.get(id)?.status
  const { value: detail, problem } = useAnswer<RunDetail>(address, filesChanged.value, status)
  if (id === undefined) return <p class="empty">Choose the name of a run in the table.</p>
  if (problem) return <p class="problem">{problem}</p>
  if (!detail) return <p class="empty">Loading …</p>
  const { path, error } = detail.summary
  const figures = figuresOf(detail)
  return (
    <article aria-label={path}>
      <h2>
        {path} <Status status={detail.summary.status} />
      </h2>
      {error && <p class="problem">{error}</p>}
      {detail.remarks.map((remark) => (
        <p class="problem" key={remark}>
          {remark}
        </p>
      ))}
      <div class="figures">
        {figures.map(({ name, version }) => (
          <figure key={name}>
            <a href={addressOf(id, name)} download>
              <img
                src={`${addressOf(id, name)}?show&v=${version}`}
                alt={`Figure ${name.replace(/^.*\/|\.\w+$/g, '')}`}
                loading="lazy"
              />
            </a>
            <figcaption>{name.replace(/^figures\//, '')}</figcaption>
          </figure>
        ))}
      </div>
      {detail.confusion && <Confusion table={detail.confusion} />}
      {detail.predictions && <Sheet title="Predictions" table={detail.predictions} />}
      {detail.graph.stages.length > 0 && <Graph graph={detail.graph} />}
      <h3>Facts</h3>
      <dl>
        {detail.facts.map(([name, value], i) => (
          <div key={i}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      {detail.notes.length > 0 && (
        <>
          <h3>Notes of the stages</h3>
          <ul>
            {detail.notes.map((note) => (
              <li key={note}>{note}</li>
            ))}
          </ul>
        </>
      )}
      <details>
        <summary>Definition</summary>
        <pre>{detail.definition}</pre>
      </details>
      <h3>Files</h3>
      <ul class="files">
        {detail.files.map(({ name, bytes }) => (
          <li key={name}>
            <a href={addressOf(id, name)} download>
              {name}
            </a>{' '}
            {size(bytes)}
          </li>
        ))}
      </ul>
    </article>
  )
}

/** The images, an SVG before a PNG of the same name. */
function figuresOf({ files }: RunDetail) {
  const images = files.filter(({ name }) => /\.(svg|png)$/.test(name) && !/-epoch-\d+\.\w+$/.test(name))
  const names = new Set(images.map(({ name }) => name))
  return images.filter(({ name }) => !(name.endsWith('.png') && names.has(name.replace(/png$/, 'svg')))).slice(0, 60)
}

function addressOf(id: string, name: string): string {
  return `/api/file/${id}/${encodeURIComponent(name)}`
}

function size(bytes: number): string {
  return bytes < 1000
    ? `${bytes} B`
    : bytes < 1e6
      ? `${(bytes / 1000).toFixed(1)} kB`
      : `${(bytes / 1e6).toFixed(1)} MB`
}

function Sheet({ title, table: { columns, rows } }: { readonly title: string; readonly table: TextTable }) {
  const isNumber = (cell: string): boolean => cell !== '' && Number.isFinite(Number(cell))
  return (
    <details>
      <summary>
        {title}: {rows.length} rows
      </summary>
      <div class="scroll">
        <table>
          <Headings names={columns} />
          <tbody>
            {rows.slice(0, MOST_ROWS).map((row, i) => (
              <tr key={i}>
                {row.map((cell, j) => (
                  <td key={j} class={isNumber(cell) ? 'number' : ''}>
                    {isNumber(cell) ? short(Number(cell)) : cell}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </details>
  )
}

const COUNT = /^predicted /

/** The confusion matrix with shades: each row by the share of its class. What is computed from a row stands behind it. */
function Confusion({ table: { columns, rows } }: { readonly table: TextTable }) {
  const all = [...columns.keys()].slice(1)
  const counts = all.filter((i) => COUNT.test(columns[i]!))
  const places = [...counts, ...all.filter((i) => !counts.includes(i))]
  return (
    <section>
      <h3>Confusion</h3>
      <div class="scroll">
        <table class="heat">
          <caption>A row for each class, a column for each prediction</caption>
          <Headings names={[columns[0]!, ...places.map((i) => columns[i]!.replace(COUNT, ''))]} />
          <tbody>
            {rows.map((cells) => {
              const total = counts.reduce((sum, i) => sum + Number(cells[i]), 0)
              return (
                <tr key={cells[0]}>
                  <th scope="row">{cells[0]}</th>
                  {places.map((i) => (
                    <ShadedCell key={columns[i]} share={counts.includes(i) && total > 0 ? Number(cells[i]) / total : 0}>
                      {short(cells[i] === '' ? '' : Number(cells[i]))}
                    </ShadedCell>
                  ))}
                </tr>
              )
            })}
          </tbody>
        </table>
      </div>
    </section>
  )
}
