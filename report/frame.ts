import { type Html, html, style } from './html.js'
import { css } from './style.js'

/** The policy of the page: no script runs and nothing is fetched, whatever text a run directory holds. */
const policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"

/** A section of a page. */
export interface Section {
  /** The target of links to the section. */
  readonly id: string
  /** The heading. */
  readonly title: string
  /** The content. If it is undefined, the page has no such section. */
  readonly content: Html | undefined
}

/** Formats a whole HTML page: title, summary, contents, and sections. */
export function formatPage(title: string, summary: Html, sections: readonly Section[]): string {
  const shown = sections.filter(({ content }) => content)
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="Millrace">
<title>${title}: report</title>
<link rel="icon" href="data:,">
${style(css)}
</head>
<body>
<header>
<h1>${title}</h1>
${summary}
<nav aria-label="Contents"><ul>${shown.map(({ id, title }) => html`<li><a href="#${id}">${title}</a></li>`)}</ul></nav>
</header>
<main>
${shown.map(
  ({
    id,
    title,
    content,
  }) => html`<section id="${id}"${id === 'timings' && html` data-varies`} aria-labelledby="${id}-title">
<h2 id="${id}-title">${title}</h2>
${content}
</section>
`,
)}</main>
</body>
</html>
`
  return page.text
}
