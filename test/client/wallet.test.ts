import { describe, expect, test } from 'vitest'
import { RefusedError, UnansweredError } from '../../src/client/index.ts'
import { bankPaths } from '../../src/http/bank.ts'
import * as Offer from '../../src/http/Offer.ts'
import { openBankServer, openClient, openStall, openTown } from '../e2e/town.ts'
import { account } from '../protocol/world.ts'
import { evilServer } from '../vendor/evil.ts'
import { openShop, price } from '../vendor/shop.ts'

/** The offer of an honest vendor, to be changed. */
async function offerOf(url: string): Promise<Record<string, unknown>> {
  return (await (await fetch(url + Offer.offerPath)).json()) as Record<string, unknown>
}

function pathOf(input: string | URL | Request): string {
  return new URL(input instanceof Request ? input.url : input).pathname
}

describe('an offer that is none', () => {
  test.each<[string, (offer: Record<string, unknown>) => unknown]>([
    ['no object', () => [1, 2, 3]],
    ['another version', (offer) => ({ ...offer, version: 2 })],
    ['a price of nothing', (offer) => ({ ...offer, unitPrice: '0' })],
    ['a price below nothing', (offer) => ({ ...offer, unitPrice: '-1' })],
    ['a price as a number', (offer) => ({ ...offer, unitPrice: 10 })],
    ['a segment of nothing', (offer) => ({ ...offer, segmentLength: 0 })],
    ['a segment without an end', (offer) => ({ ...offer, segmentLength: 1e9 })],
    ['half a segment', (offer) => ({ ...offer, segmentLength: 1.5 })],
    ['a key that is no point', (offer) => ({ ...offer, vendorFrameKey: 'f'.repeat(64) })],
    ['a key too short', (offer) => ({ ...offer, vendor: 'ab' })],
    ['no banks', (offer) => ({ ...offer, banks: undefined })],
    ['a bank that is a file', (offer) => ({ ...offer, banks: [{ key: offer.vendor, url: 'file:///etc/passwd' }] })],
    ['another bank', (offer) => ({ ...offer, banks: [{ key: offer.vendor, url: 'http://other.example' }] })],
    ['no lock scheme', (offer) => ({ ...offer, lockSchemes: [] })],
    ['an unknown lock scheme', (offer) => ({ ...offer, lockSchemes: ['rot13'] })],
    ['a network too long', (offer) => ({ ...offer, network: 'n'.repeat(33) })],
    ['a network out of letters', (offer) => ({ ...offer, network: 'lockstep:☃' })],
    ['a life without an end', (offer) => ({ ...offer, lifeMin: Number.MAX_SAFE_INTEGER })],
    ['a grace without an end', (offer) => ({ ...offer, graceMin: 2 ** 32 })],
    ['an asset too fine', (offer) => ({ ...offer, asset: 'USD/10' })],
    ['more than an offer has', (offer) => ({ ...offer, more: 'x'.repeat(100_000) })],
  ])('opens nothing: %s', async (_, change) => {
    const town = await openTown()
    const server = await evilServer()
    server.answer(server.says(JSON.stringify(change(await offerOf(town.stall.url)))))
    const error = await town.client.wallet.open(server.url, { funds: 10_000n }).catch((caught: unknown) => caught)
    expect(error instanceof RefusedError || error instanceof UnansweredError, String(error)).toBe(true)
    expect(await town.bank.balance(account.publicKey, 'USD/6')).toMatchObject({ balance: 100_000_000n })
  })

  test('is given up where it does not come, does not end, or is no JSON', async () => {
    const town = await openTown({ wallet: { timeoutMs: 200 } })
    const server = await evilServer()
    for (const answer of [
      server.silent(),
      server.cuts(),
      server.endless(' '),
      server.says('<html>'),
      server.says('{}', 302),
      server.says('no', 404, 'text/plain'),
    ]) {
      server.answer(answer)
      await expect(town.client.wallet.offer(server.url)).rejects.toThrow(UnansweredError)
    }
    await server.close()
    await expect(town.client.wallet.offer(server.url)).rejects.toThrow(/is it running/)
    expect(await town.client.journal.channels()).toEqual([])
  })
})

describe('a channel', () => {
  test('is not opened for less than one unit', async () => {
    const town = await openTown()
    await expect(town.client.wallet.open(town.stall.url, { funds: 9n })).rejects.toThrow(RefusedError)
    expect(await town.client.journal.channels()).toEqual([])
  })

  test('is not opened where the bank refuses, which says why', async () => {
    const town = await openTown()
    const error = await town.client.wallet
      .open(town.stall.url, { funds: 1_000_000_000n })
      .catch((caught: unknown) => caught)
    expect(error).toBeInstanceOf(RefusedError)
    expect((error as RefusedError).reason).toBe('BalanceTooLow')
    expect(await town.client.wallet.channels()).toEqual([])
    expect(await town.client.wallet.resume()).toEqual([])
  })

  test('whose opening was lost on the way is asked for again with the same bytes, and opened once', async () => {
    const { bank, bankUrl } = await openBankServer()
    const stall = await openStall({ bankUrl, routes: openShop().routes })
    const line = await evilServer()
    const openings = new Set<string>()
    /** Passes on what comes, and loses the answer. */
    const losing = (isLossy: boolean): void =>
      line.answer((request, response) => {
        const chunks: Buffer[] = []
        request.on('data', (chunk: Buffer) => chunks.push(chunk))
        request.on('end', () => {
          const body = Buffer.concat(chunks)
          openings.add(body.toString('hex'))
          void fetch(bankUrl + request.url, { method: 'POST', body: new Uint8Array(body) }).then(async (answer) => {
            if (isLossy) return void response.destroy()
            response.writeHead(answer.status).end(new Uint8Array(await answer.arrayBuffer()))
          })
        })
      })
    losing(true)
    const client = openClient(line.url)
    await expect(client.wallet.open(stall.url, { funds: 10_000n })).rejects.toThrow(UnansweredError)
    expect(line.requests()).toBe(3)
    expect(await client.wallet.channels()).toEqual([])
    losing(false)
    const [channel] = await client.wallet.resume()
    expect(openings.size).toBe(1)
    expect((await channel!.fetch(`${stall.url}/goods/tea`, price)).status).toBe(200)
    expect(await bank.balance(account.publicKey, 'USD/6')).toMatchObject({ balance: 100_000_000n - 10_000n })
    expect(await client.wallet.resume()).toEqual([])
    expect(await client.wallet.channels()).toHaveLength(1)
  })

  test('is one object, whoever asks for what is open while the bank has not answered yet', async () => {
    const held = Promise.withResolvers<void>()
    const asked = Promise.withResolvers<void>()
    let openings = 0
    const town = await openTown({
      wallet: {
        async fetch(input, init) {
          const answer = await fetch(input, init)
          if (!pathOf(input).endsWith(bankPaths.open)) return answer
          openings += 1
          asked.resolve()
          await held.promise
          return answer
        },
      },
    })
    const { wallet } = town.client
    const opening = wallet.open(town.stall.url, { funds: 10_000n })
    await asked.promise
    const [resumed, synced, listed] = await Promise.all([wallet.resume(), wallet.sync(), wallet.channels()])
    expect({ resumed, synced, listed }).toEqual({
      resumed: [],
      synced: { opened: [], ended: [], failed: [] },
      listed: [],
    })
    held.resolve()
    const channel = await opening
    expect(openings).toBe(1)
    expect((await wallet.channels())[0]).toBe(channel)
    expect((await wallet.sync()).opened).toEqual([])
  })

  test('that the bank answers late is taken up by whoever looks at it there', async () => {
    let isAway = true
    const town = await openTown({
      wallet: {
        attempts: 1,
        fetch: async (input, init) => {
          const answer = await fetch(input, init)
          if (isAway && pathOf(input).endsWith(bankPaths.open)) throw new TypeError('the answer is lost')
          return answer
        },
      },
    })
    const { wallet } = town.client
    await expect(wallet.open(town.stall.url, { funds: 10_000n })).rejects.toThrow(UnansweredError)
    expect(await wallet.sync()).toMatchObject({ opened: [], failed: [{ cause: { name: 'UnansweredError' } }] })
    isAway = false
    const { opened, failed } = await wallet.sync()
    expect({ opened, failed }).toEqual({ opened: await wallet.channels(), failed: [] })
    expect(opened).toHaveLength(1)
  })

  test('is not believed open where the bank answers something else, or does not answer', async () => {
    const town = await openTown()
    const bank = await evilServer()
    const client = openClient(bank.url, { attempts: 1, timeoutMs: 200 })
    const good = await town.client.wallet.open(town.stall.url, { funds: 10_000n })
    const [opened] = await town.client.journal.channels()
    for (const [answer, says] of [
      [bank.says('x'.repeat(160)), /opens nothing/],
      [bank.says('short'), /cannot be read/],
      [bank.endless('x'), /more than 160 bytes/],
      [bank.silent(), /does not answer/],
      [bank.cuts(), /broke off/],
      [bank.refuses(), /the till is empty/],
      // The very answer to another opening.
      [bankAnswers(opened!.state!.opened), /opens nothing/],
    ] as const) {
      bank.answer(answer)
      await expect(client.wallet.open(town.stall.url, { funds: 10_000n })).rejects.toThrow(says)
    }
    expect(good.state.index).toBe(0)
    expect(await client.wallet.channels()).toEqual([])
    // Their secrets are kept: the bank may have opened them all the same, but for the one that it refused.
    expect(await client.journal.channels()).toHaveLength(6)
    expect(await client.journal.ended()).toHaveLength(1)
  })
})

function bankAnswers(bytes: Uint8Array): Parameters<Awaited<ReturnType<typeof evilServer>>['answer']>[0] {
  return (_, response) => response.writeHead(200).end(bytes)
}
