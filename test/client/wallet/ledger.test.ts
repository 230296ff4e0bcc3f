import { describe, expect, test } from 'vitest'
import { type LedgerRow, toCsv, toNdjson, toTable } from '../../../src/client/index.ts'
import { openStall } from '../../e2e/town.ts'
import { openShop } from '../../vendor/shop.ts'
import { openMarket, openTestWallet } from './market.ts'

describe('the ledger', () => {
  test('has each payment, what it was for and what it cost, also after a restart', async () => {
    const { bankUrl, stall, open } = await openMarket()
    const other = await openStall({ bankUrl, routes: openShop().routes })
    const first = await open()
    await first.w.fetch(`${stall.url}/goods/tea?token=secret`)
    await first.w.fetch(`${other.url}/echo`, { method: 'POST', body: 'hello' })
    await first.w.fetch(`${stall.url}/status/500`)
    await first.w.close()

    const { w } = await openTestWallet(bankUrl, { store: first.store })
    const rows = await w.ledger()
    expect(rows).toHaveLength(3)
    expect(rows.filter(({ charged }) => charged === '0.00003')).toHaveLength(2)
    expect(rows.find(({ charged }) => charged === '0')?.url).toBe(`${stall.url}/status/500`)
    expect(JSON.stringify(rows)).not.toContain('secret')
    expect(rows.every(({ asset, channel }) => asset === 'USD' && /^[0-9a-f]{64}$/.test(channel))).toBe(true)
    const { host } = new URL(other.url)
    expect(await w.ledger({ host })).toEqual([
      expect.objectContaining({ host, method: 'POST', url: `${other.url}/echo`, price: '0.00003', index: 1 }),
    ])
    expect(await w.ledger({ since: new Date(Date.now() + 100 * 365 * 86_400_000) })).toEqual([])
    expect(rows.every(({ time }) => new Date(time).toISOString() === time)).toBe(true)
  })

  test('shows channels as they stand', async () => {
    const { stall, open } = await openMarket()
    const { w, of } = await open({ budget: { channel: '0.00006' } })
    for (let at = 0; at < 3; at++) await w.fetch(`${stall.url}/goods/${at}`)
    await expect.poll(() => of('closed')).toHaveLength(1)
    const views = await w.channels()
    expect(views).toHaveLength(2)
    expect(views.every(({ funds, asset }) => funds === '0.00006' && asset === 'USD')).toBe(true)
    const open_ = views.filter(({ status }) => status === 'open')
    expect(open_.map(({ paid, spent, payments }) => [paid, spent, payments])).toEqual([['0.00003', '0.00003', 1]])
    expect(await w.balance()).toMatchObject({ atBank: '99.99988', asset: 'USD/6', account: w.account })
  })
})

describe('a ledger written as', () => {
  const row: LedgerRow = {
    time: '2027-01-15T08:00:00.000Z',
    host: 'api.example',
    method: 'GET',
    url: 'https://api.example/joke',
    price: '0.001',
    charged: '0.0005',
    asset: 'USD',
    channel: 'ab'.repeat(32),
    index: 7,
  }

  test('CSV is RFC 4180, and no field of it is a formula', () => {
    const hostile = {
      ...row,
      url: '=HYPERLINK("https://evil.example","a,b")',
      method: '+cmd',
      host: '@SUM(A1)',
      charged: null,
    }
    expect(toCsv([row, hostile])).toBe(
      [
        'time,host,method,url,price,charged,asset,channel,index',
        `2027-01-15T08:00:00.000Z,api.example,GET,https://api.example/joke,0.001,0.0005,USD,${'ab'.repeat(32)},7`,
        `2027-01-15T08:00:00.000Z,'@SUM(A1),'+cmd,"'=HYPERLINK(""https://evil.example"",""a,b"")",0.001,,USD,${'ab'.repeat(32)},7`,
        '',
      ].join('\r\n'),
    )
    expect(toCsv([{ ...row, url: 'a\r\nb', method: '\t-1' }])).toContain(`,'\t-1,"a\r\nb",`)
  })

  test('NDJSON is one object a line', () => {
    const text = toNdjson([row, row])
    expect(
      text
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line) as unknown),
    ).toEqual([row, row])
    expect(text.endsWith('\n')).toBe(true)
    expect(toNdjson([])).toBe('')
  })

  test('a table has its columns under their names', () => {
    expect(toTable([row, { ...row, charged: null, method: 'DELETE' }])).toBe(
      [
        'TIME                 CHARGED  PRICE  ASSET  METHOD  URL',
        '2027-01-15 08:00:00  0.0005   0.001  USD    GET     https://api.example/joke',
        '2027-01-15 08:00:00  ?        0.001  USD    DELETE  https://api.example/joke',
      ].join('\n'),
    )
  })
})
