import type { ComponentChildren } from 'preact'

/** The head of a table: one cell for each column. */
export function Headings({ names }: { readonly names: readonly string[] }) {
  return (
    <thead>
      <tr>
        {names.map((name, i) => (
          <th scope="col" key={i}>
            {name}
          </th>
        ))}
      </tr>
    </thead>
  )
}

/** A cell with a number. It is the stronger in colour, the nearer `share` is to 1. */
export function ShadedCell({ share, children }: { readonly share: number; readonly children: ComponentChildren }) {
  const percent = Math.round(55 * Math.min(1, Math.max(0, share)))
  return (
    <td class="number" style={{ backgroundColor: `color-mix(in srgb, var(--accent) ${percent}%, transparent)` }}>
      {children}
    </td>
  )
}

/** How far a run is, in a colour of its own. */
export function Status({ status }: { readonly status: string }) {
  return <span class={`status ${status.replaceAll(' ', '-')}`}>{status}</span>
}
