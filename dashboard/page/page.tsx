import { effect } from '@preact/signals'
import { render } from 'preact'
import 'uplot/dist/uPlot.min.css'
import './style.css'
import { Compare } from './compare.js'
import { stayConnected } from './connection.js'
import { Curves } from './curves.js'
import { RunView } from './run-view.js'
import { RunsTable } from './runs-table.js'
import { addressPart, connection, rememberInAddress, type View, view, views } from './state.js'
import { SweepView } from './sweep-view.js'

const titles: Readonly<Record<View, string>> = { curves: 'Curves', run: 'Run', compare: 'Compare', sweep: 'Sweep' }
const contents = { curves: Curves, run: RunView, compare: Compare, sweep: SweepView }
const states = {
  connecting: 'connecting …',
  live: 'live',
  lost: 'no connection; trying again …',
  refused: 'the dashboard was started anew: open the address that it printed',
}

function App() {
  const Content = contents[view.value]
  return (
    <>
      <header class="top">
        <h1>Millrace</h1>
        <span role="status" class={`connection ${connection.value}`}>
          {states[connection.value]}
        </span>
      </header>
      <main>
        <RunsTable />
        <div id="views" tabIndex={-1}>
          <div class="tabs" role="tablist" aria-label="Views" onKeyDown={move}>
            {views.map((name) => (
              <button
                type="button"
                role="tab"
                key={name}
                id={`tab-${name}`}
                aria-selected={view.value === name}
                aria-controls="view"
                tabIndex={view.value === name ? 0 : -1}
                onClick={() => {
                  view.value = name
                }}
              >
                {titles[name]}
              </button>
            ))}
          </div>
          <div id="view" role="tabpanel" aria-labelledby={`tab-${view.value}`}>
            <Content />
          </div>
        </div>
      </main>
    </>
  )
}

/** The arrow keys go from tab to tab. */
function move(event: KeyboardEvent): void {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key]
  if (step === undefined) return
  const next = views[(views.indexOf(view.value) + step + views.length) % views.length]!
  view.value = next
  document.getElementById(`tab-${next}`)?.focus()
}

rememberInAddress()
effect(() => history.replaceState(null, '', addressPart()))
stayConnected()
const place = document.getElementById('app')!
place.replaceChildren()
render(<App />, place)
