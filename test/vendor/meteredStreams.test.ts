import { describe, expect, test } from 'vitest'
import { prepare, problemIn, referenceOf, until } from '../e2e/town.ts'
import { must } from '../protocol/world.ts'
import { listenTo, openPayTown, type PayTown } from './town.ts'

const max = 50_000n

/** `/say/:count` says so many tokens at 0.00002 each, up to 0.05; `/bytes` meters bytes; `/broken` fails after three. */
async function openSpeaker(): Promise<PayTown & { readonly url: string; readonly made: () => number }> {
  const town = await openPayTown()
  let made = 0
  const { pay } = town
  const { url } = await pay.listen({
    routes: {
      'GET /say/:count': pay.metered({ max: '0.05' }, (_, meter, { params }) =>
        meter.stream(
          (function* () {
            for (let token = 0; token < Number(params.count); token++) {
              made += 1
              yield `${token} `
            }
          })(),
          { perToken: '0.00002', headers: { 'Content-Type': 'text/plain' } },
        ),
      ),
      'GET /bytes': pay.metered({ max: '0.05' }, (_, meter) =>
        meter.stream([new Uint8Array(100), 'ü'], { perByte: '0.000001' }),
      ),
      'GET /big': pay.metered({ max: '0.05' }, (_, meter) =>
        meter.stream(
          (function* () {
            for (made = 0; made < 100; made++) yield new Uint8Array(1000)
          })(),
          { perToken: '0.00002' },
        ),
      ),
      'GET /broken': pay.metered({ max: '0.05' }, (_, meter) =>
        meter.stream(
          (async function* () {
            for (let token = 0; token < 3; token++) yield `${token} `
            await new Promise((resolve) => setTimeout(resolve, 20))
            throw new Error('the model failed')
          })(),
          { perToken: '0.00002' },
        ),
      ),
      'GET /stuck': pay.metered({ max: '0.05' }, (_, meter) =>
        meter.stream(
          (async function* () {
            yield 'a '
            yield 'b '
            await new Promise(() => undefined)
          })(),
          { perToken: '0.00002' },
        ),
      ),
      'GET /hello': pay.each('0.001', () => new Response('hello')),
    },
  })
  return { ...town, url, made: () => made }
}

describe('an answer that is metered while it leaves', () => {
  test('costs what was sent, which its client hears at its end; the rest is credit', async () => {
    const { url, open } = await openSpeaker()
    const channel = await open(url)
    const { response, charged, settling } = await channel.buy(`${url}/say/100`, max)
    expect([charged, response.headers.get('content-type')]).toEqual([undefined, 'text/plain'])
    expect((await response.text()).split(' ')).toHaveLength(101)
    expect(await settling).toBe(2000n)
    expect(channel.state).toMatchObject({ paid: 50_000n, acknowledged: 2000n })
    await (await channel.fetch(`${url}/say/5`, max)).text()
    expect(await channel.refresh()).toMatchObject({ spent: 2100n, credit: 49_900n })
    expect((await channel.close()).closing.spent).toBe(2100n)
  })

  test('is metered by the byte as well', async () => {
    const { url, open } = await openSpeaker()
    const channel = await open(url)
    const { response, settling } = await channel.buy(`${url}/bytes`, max)
    expect((await response.arrayBuffer()).byteLength).toBe(102)
    expect(await settling).toBe(102n)
  })

  test('ends before it passes the ceiling', async () => {
    const { url, open, made } = await openSpeaker()
    const channel = await open(url)
    const { response, settling } = await channel.buy(`${url}/say/10000`, max)
    expect((await response.text()).trim().split(' ')).toHaveLength(2500)
    expect(await settling).toBe(50_000n)
    expect(made()).toBe(2501)
  })

  test('stops when its client does, and costs what was sent until then', async () => {
    const { url, open, made } = await openSpeaker()
    const channel = await open(url)
    const { response, settling } = await channel.buy(`${url}/say/1000000`, 50_000n)
    const reader = response.body!.getReader()
    await reader.read()
    await reader.cancel()
    const charged = await settling
    expect(charged).toBeGreaterThan(0n)
    expect(charged).toBe(20n * BigInt(Math.min(made(), 2500)))
    expect(await channel.refresh()).toMatchObject({ spent: charged })
  })

  test('ends with its client though its source hangs, and is not kept as if it were whole', async () => {
    const { url, open } = await openSpeaker()
    const channel = await open(url)
    const stuck = await prepare(channel, '/stuck', max)
    const given = new AbortController()
    const response = await fetch(`${url}/stuck`, { headers: stuck.headers, signal: given.signal })
    const reader = response.body!.getReader()
    for (let came = ''; !came.includes('b'); ) came += new TextDecoder().decode((await reader.read()).value)
    const broken = expect(reader.read()).rejects.toThrow()
    given.abort()
    await broken
    await until(async () => (await channel.refresh()).spent === 40n, 'what was sent is charged')
    expect(await problemIn(await stuck.send())).toMatchObject({ status: 409, reason: 'AnswerGone' })
    expect((await channel.close()).closing.spent).toBe(40n)
  })

  test('ends though nobody asks for its first piece, as where a server drops the body for a HEAD', async () => {
    const town = await openPayTown({ readTimeoutMs: 100 })
    const { pay } = town
    const say = pay.metered({ max: '0.05' }, (_, meter) => meter.stream(['a'], { perToken: '0.00002' }))
    const { url } = await listenTo(async (request) => {
      const own = await pay.handle(request)
      if (own !== undefined) return own
      const { status, headers } = await say(request)
      return new Response(null, { status, headers })
    })
    const channel = await town.open(url)
    const { headers } = await prepare(channel, '/say', max, { method: 'HEAD' })
    expect((await fetch(`${url}/say`, { method: 'HEAD', headers })).status).toBe(200)
    const found = must(await pay.closing.till.find(referenceOf(channel), undefined))
    await until(() => found.held.running.size === 0, 'the request ends')
    expect(found.held.channel).toMatchObject({ spent: 0n, reserved: 0n })
  })

  test('costs what was sent where its source fails', async () => {
    const { url, open, errors } = await openSpeaker()
    const channel = await open(url)
    const { response, settling } = await channel.buy(`${url}/broken`, max)
    await expect(response.text()).rejects.toThrow()
    expect(await settling).toBe(60n)
    expect(errors.map(String)).toContain('Error: the model failed')
  })

  test('lets others pass while it is read', async () => {
    const { url, open } = await openSpeaker()
    const channel = await open(url)
    const { response, settling } = await channel.buy(`${url}/say/2000`, max)
    const reader = response.body!.getReader()
    await reader.read()
    for (let time = 0; time < 3; time++) expect(await (await channel.fetch(`${url}/hello`, 1000n)).text()).toBe('hello')
    while (!(await reader.read()).done);
    expect(await settling).toBe(40_000n)
    expect(await channel.refresh()).toMatchObject({ spent: 43_000n })
  })

  test('that came whole is given again; one that is too long is gone; neither runs twice', async () => {
    const { url, open, made } = await openSpeaker()
    const channel = await open(url)
    const short = await prepare(channel, '/say/3', max)
    expect(await (await short.send()).text()).toBe('0 1 2 ')
    expect(await (await short.send()).text()).toBe('0 1 2 ')
    expect(made()).toBe(3)
    const long = await prepare(channel, '/big', max)
    expect((await (await long.send()).arrayBuffer()).byteLength).toBe(100_000)
    expect(await problemIn(await long.send())).toMatchObject({ reason: 'AnswerGone' })
    expect(made()).toBe(100)
  })
})
