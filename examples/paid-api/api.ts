/** An API of Express that is paid by the request. Its handlers are as they were before they cost anything. */

import express, { type Express } from 'express'
import type { Paywall } from 'lockstep/vendor'
import { forExpress } from 'lockstep/vendor/express'

const proverbs = ['A stitch in time saves nine.', 'Measure twice, cut once.', 'Many hands make light work.']

export function createApi(pay: Paywall): Express {
  const paid = forExpress(pay)
  const app = express()
  app.use(paid.handle)

  app.get('/', (_request, response) => response.send('GET /proverbs/:number costs 0.001, POST /words 0.00002 a word'))

  app.get('/proverbs/:number', paid.each('0.001', { idempotent: true }), (request, response) => {
    const proverb = proverbs[Number(request.params.number) - 1]
    // What is not there costs nothing.
    if (proverb === undefined) response.status(404).json({ proverbs: proverbs.length })
    else response.json({ proverb })
  })

  app.post('/words', paid.metered({ max: '0.01' }), express.text(), (request, response) => {
    const words = String(request.body).trim().split(/\s+/)
    paid.payment(request).meter.add(words.length, '0.00002')
    response.json({ words: words.length })
  })
  return app
}
