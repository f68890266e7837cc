import t from 'tap'
import { oneLine, plainText } from '../../../dist/pipeline/base/plain-text.js'

t.test('plainText spells out what changes how text is shown, oneLine line breaks, too', async (t) => {
  const text = 'Größe 漢字 \x1b[2J\u009b\u202e\u2066\tx\ny'
  t.equal(plainText(text), 'Größe 漢字 \\u001b[2J\\u009b\\u202e\\u2066\tx\ny')
  t.equal(oneLine('a\nb\r\nc\u2028d\te\x7f'), 'a\\u000ab\\u000d\\u000ac\\u2028d\\u0009e\\u007f')
})
