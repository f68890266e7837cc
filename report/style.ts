/** The style of a report: light or dark as the system of the reader, for screens from 400 pixels on, and for paper. */
export const css = `
:root { color-scheme: light dark; --paper: #fff; --ink: #1c1c1c; --muted: #595959; --rule: #c9c9c9; --band: #f4f4f2;
  --link: #1d4f91; --good: #1f6b3a; --bad: #a3301c; }
@media (prefers-color-scheme: dark) { :root { --paper: #16181c; --ink: #e8e6e1; --muted: #a9a7a1; --rule: #44484f;
  --band: #20242a; --link: #8ab8f0; --good: #7fcf9a; --bad: #ff9e8a; } }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0 auto; padding: 1.5rem clamp(1rem, 4vw, 3rem) 4rem; max-width: 76rem; background: var(--paper);
  color: var(--ink); font: 1rem/1.5 system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif; }
h1 { font-size: 1.75rem; line-height: 1.2; margin: 0 0 .5rem; }
h2 { font-size: 1.3rem; margin: 2.5rem 0 .75rem; padding-top: .75rem; border-top: 1px solid var(--rule); }
h3 { font-size: 1.08rem; margin: 1.75rem 0 .5rem; overflow-wrap: anywhere; }
p { margin: .5rem 0; max-width: 48rem; }
a { color: var(--link); }
nav ul { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; padding: 0; margin: 1rem 0 0; list-style: none; }
.scroll { overflow-x: auto; margin: 1rem 0; }
.scroll:focus-visible, summary:focus-visible, a:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
table { border-collapse: collapse; font-size: .92rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: 600; padding: 0 0 .4rem; }
caption span { position: sticky; left: 0; display: inline-block; max-width: min(100%, calc(100vw - 2.5rem)); }
th, td { padding: .3rem .8rem .3rem 0; text-align: left; vertical-align: top; border-bottom: 1px solid var(--rule); }
thead th { vertical-align: bottom; border-bottom: 2px solid var(--ink); }
tbody th { font-weight: 500; white-space: nowrap; }
tbody th, thead th:first-child { position: sticky; left: 0; background: var(--paper); }
.number { text-align: right; white-space: nowrap; }
thead .number { white-space: normal; }
.verdict { white-space: nowrap; font-weight: 600; }
.reproduced { color: var(--good); }
.differs, .failed { color: var(--bad); }
.no-verdict, .muted { color: var(--muted); }
.notes { font-size: .88rem; color: var(--muted); padding-left: 1.4rem; max-width: 60rem; }
.notice { border-left: 4px solid var(--bad); background: var(--band); padding: .6rem 1rem; margin: 1rem 0;
  overflow-wrap: anywhere; white-space: pre-wrap; max-width: none; }
.summary { background: var(--band); padding: .8rem 1rem; }
.summary p { margin: .2rem 0; }
figure { margin: 1rem 0; }
figure img { display: block; max-width: 100%; height: auto; }
figure.wide img { width: 100%; max-width: 62rem; }
figcaption { font-size: .9rem; color: var(--muted); margin-top: .35rem; max-width: 48rem; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); gap: 0 2rem; \
align-items: start; }
.figures figure { min-width: 0; }
.figures .sheet { grid-column: 1 / -1; max-width: 56rem; }
.hash { font-family: ui-monospace, 'DejaVu Sans Mono', monospace; font-size: .8rem; overflow-wrap: anywhere; }
pre { background: var(--band); padding: .8rem 1rem; overflow-x: auto; font-size: .82rem; line-height: 1.4; }
summary { cursor: pointer; color: var(--link); padding: .2rem 0; }
@media (max-width: 45rem) { .large img { max-width: none; width: 60rem; } }
@media (max-width: 40rem) { h1 { font-size: 1.4rem; } table { font-size: .85rem; } th, td { padding-right: .6rem; } \
tbody th { white-space: normal; min-width: 7rem; max-width: 9rem; overflow-wrap: anywhere; } }
@media print {
  :root { color-scheme: light; --paper: #fff; --ink: #000; --muted: #444; --rule: #999; --band: #f4f4f2; --link: #000;
    --good: #1f6b3a; --bad: #a3301c; }
  @page { margin: 16mm 14mm; }
  body { padding: 0; max-width: none; font-size: 10pt; }
  nav, details:not([open]) { display: none; }
  h2, h3, caption { break-after: avoid; }
  figure, tr, .notice, article { break-inside: avoid; }
  .scroll { overflow: visible; break-inside: avoid; }
  tbody th, thead th:first-child, caption span { position: static; }
  table { font-size: 8pt; }
  th, td { padding-right: .5rem; }
  figure img { max-height: 180mm; }
  .figures { grid-template-columns: 1fr 1fr; }
  .figures .sheet { max-width: 150mm; }
}
`
