import t from 'tap'
import { html } from '../../dist/report/html.js'

t.test('whatever is put in is escaped, and HTML is not escaped twice', (t) => {
  const evil = `"><script>alert('x')</script>&`
  t.equal(
    html`<p title="${evil}">${evil}</p>`.text,
    '<p title="&quot;&gt;&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;">&quot;&gt;&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;</p>',
  )
  t.equal(html`<b>${html`<i>${'<'}</i>`}</b>`.text, '<b><i>&lt;</i></b>')
  t.equal(html`${['<', html`<br>`]}${undefined}${false}${0}`.text, '&lt;<br>0')
  t.end()
})

t.test('control characters, and those that change the direction of writing, are spelled out', (t) => {
  t.equal(html`${'a\u0000b\u001bc\nd\u202ee'}`.text, 'a\\u0000b\\u001bc\nd\\u202ee')
  t.end()
})
