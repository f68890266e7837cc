import { basename, resolve } from 'node:path'
import { pngOf } from '../figures/index.js'
import { counted } from '../pipeline/base/words.js'
import type { Attempts } from './attempts.js'
import { dataTable, remarkList } from './data-table.js'
import { formatPage } from './frame.js'
import { type Html, html } from './html.js'
import { svgData } from './image.js'
import { settingsFigure } from './settings-figure.js'
import { formatValue, type Settings, settingsFrom, settingsTable } from './settings-table.js'
import type { DataTable } from './tables.js'

/** A report on one sweep, ready to be written. */
interface SweepReport {
  /** The HTML page. */
  readonly page: string
  /** The tables of the page. */
  readonly tables: readonly DataTable[]
  /** The figures by the names of their files. */
  readonly figures: ReadonlyMap<string, string | Uint8Array>
}

/** Makes the report on a sweep: its table, and a figure of the results over the one or two settings that vary. */
export async function sweepReport(directory: string, attempts: Attempts): Promise<SweepReport> {
  const settings = settingsFrom(attempts)
  const table = settingsTable(settings)
  const figure = await settingsFigure(settings)
  const title = attempts.attempts[0]?.name ?? basename(resolve(directory))
  const page = formatPage(`${title}: sweep`, summary(attempts, settings), [
    {
      id: 'figure',
      title: 'Over the settings',
      content:
        figure &&
        html`<figure class="wide"><img src="${svgData(figure.svg, figure.isHeatmap)}" alt="${figure.alt}"></figure>`,
    },
    {
      id: 'results',
      title: 'Results',
      content: html`${dataTable(table, ({ text, isBest }) => (isBest ? html`<strong>${text}</strong>` : text))}
${remarkList(attempts.remarks)}`,
    },
  ])
  const figures = new Map<string, string | Uint8Array>()
  if (figure) figures.set('settings.svg', figure.svg).set('settings.png', await pngOf(figure.svg))
  return { page, tables: [table], figures }
}

function summary({ attempts }: Attempts, { rows, monitor }: Settings): Html {
  const count = (status: string): number => attempts.filter((attempt) => attempt.status === status).length
  const [done, failed] = [count('done'), count('failed')]
  const [best, ...tied] = rows.filter(({ isBest }) => isBest)
  const values = Object.entries(best?.settings ?? {}).map(([name, value]) => `${name} ${formatValue(value)}`)
  const open = attempts.length - done - failed
  const others = [failed > 0 && `, ${failed} failed`, open > 0 && `, ${open} still to come`]
  return html`<p>${counted(rows.length, 'setting')}, ${counted(attempts.length, 'run')}: ${done} done${others}.
${best && html`Best by ${monitor}: <strong>${values.join(', ')}</strong>${tied.length > 0 && ` and ${tied.length} more with the same metrics`}.`}</p>`
}
