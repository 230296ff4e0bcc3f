/** A page that pays per token and shows each payment as it happens. `lockstep dev` serves it beside what it buys. */

import { type PayingWallet, wallet } from '../src/client/browser.ts'

const byId = (id: string): HTMLElement => document.getElementById(id)!
const button = (id: string): HTMLButtonElement => byId(id) as HTMLButtonElement
const say = (text: string): void => byId('status').replaceChildren(text)
const explain = (error: unknown): void => say(error instanceof Error ? error.message : String(error))

let payments = 0
let micros = 0n

start().catch(explain)

async function start(): Promise<void> {
  // The page's own origin sells, and says which bank it takes.
  const town = (await (await fetch('/town.json')).json()) as { readonly bank: string; readonly asset: string }
  const w = await wallet({
    bank: town.bank,
    budget: { request: '0.01', day: '5', channel: '1' },
    onEvent(event) {
      if (event.kind === 'opened') say(`A channel is open: ${event.funds} ${town.asset} can be spent through it.`)
      if (event.kind === 'closed') {
        say(`Closed: ${event.spent} ${town.asset} spent, ${event.receiptsOpened} receipts opened.`)
      }
      if (event.kind === 'payment')
        count(`${event.method} ${new URL(event.url).pathname}`, event.charged ?? event.price)
    },
  })
  let streaming = new AbortController()

  on('fund', async () => {
    const answer = await fetch('/faucet', { method: 'POST', body: w.account })
    say(answer.ok ? 'The faucet has filled your account.' : await answer.text())
  })

  on('joke', async () => {
    const response = await w.fetch('/joke')
    byId('text').textContent = await response.text()
  })

  on('stream', async () => {
    streaming = new AbortController()
    button('stop').disabled = false
    byId('text').textContent = ''
    try {
      for await (const unit of w.stream(new URL('/tokens', location.href), { signal: streaming.signal })) {
        byId('text').append(new TextDecoder().decode(unit))
        count('token', '0.00002')
      }
      say('The stream has ended: what came is paid.')
    } finally {
      button('stop').disabled = true
    }
  })

  button('stop').onclick = () => streaming.abort()

  on('close', async () => {
    await w.close()
    for (const id of ['fund', 'joke', 'stream', 'close']) button(id).disabled = true
  })

  await refresh(w)
  say(`Your account: ${w.account}`)
  document.documentElement.dataset.ready = 'true'

  /** A button's work: what fails says why, and what was not paid. */
  function on(id: string, work: () => Promise<void>): void {
    button(id).onclick = () => {
      work()
        .then(() => (id === 'close' ? undefined : refresh(w)))
        .catch(explain)
    }
  }
}

/** One more payment, at the top of the list. */
function count(what: string, price: string): void {
  payments += 1
  micros += BigInt(Math.round(Number(price) * 1e6)) // For show: the wallet keeps the books.
  const total = `${micros / 1_000_000n}.${String(micros % 1_000_000n).padStart(6, '0')}`
  const row = document.createElement('tr')
  for (const text of [String(payments), what, price, total])
    row.append(Object.assign(document.createElement('td'), { textContent: text }))
  byId('log').prepend(row)
  while (byId('log').childElementCount > 50) byId('log').lastElementChild!.remove()
  byId('payments').textContent = String(payments)
  byId('paid').textContent = total
}

async function refresh(w: PayingWallet): Promise<void> {
  const channels = await w.channels()
  byId('channels').textContent = String(channels.filter(({ status }) => status === 'open').length)
  // An account that nobody funded is not known to the bank yet.
  const balance = await w.balance().catch(() => undefined)
  byId('balance').textContent = balance?.atBank ?? '0'
}
