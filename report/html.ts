/** Text that is HTML already. Only `html` makes it. */
export class Html {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}

export type Content = string | number | Html | undefined | false | readonly Content[]

/**
 * A template tag that escapes whatever is put in and is not `Html` itself, so that nothing from a file becomes markup.
 * Values stand in element content or in quoted attributes, nowhere else.
 */
export function html(strings: TemplateStringsArray, ...values: readonly Content[]): Html {
  return new Html(strings.map((text, i) => text + (i < values.length ? contentOf(values[i]) : '')).join(''))
}

function contentOf(value: Content): string {
  if (value === undefined || value === false) return ''
  if (value instanceof Html) return value.text
  if (typeof value === 'object') return value.map(contentOf).join('')
  return escapeText(String(value))
}

const entities = new Map([
  ['&', '&amp;'],
  ['<', '&lt;'],
  ['>', '&gt;'],
  ['"', '&quot;'],
  ["'", '&#39;'],
])

/** Escapes text for content and quoted attributes; control characters, which HTML forbids, become U+FFFD. */
export function escapeText(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  const printable = text.replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f]/g, '\ufffd')
  return printable.replace(/[&<>"']/g, (character) => entities.get(character)!)
}

/** Style that stands in the page as it is. */
export function style(css: string): Html {
  return new Html(`<style>${css}</style>`)
}
