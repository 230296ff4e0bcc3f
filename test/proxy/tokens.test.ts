import { describe, expect, test } from 'vitest'
import { until } from '../e2e/town.ts'
import { listenTo } from '../vendor/town.ts'
import { openProxied, post, tokenMax } from './proxied.ts'

const question = { model: 'small', messages: [{ role: 'user', content: 'one two three' }] }
/** 3 tokens of the prompt at 0.000002, 5 of the answer at 0.000005. */
const cost = 31n
const chat = '/v1/chat/completions'

describe('a proxy before a model', () => {
  test('charges the tokens that its answer counts', async () => {
    const { url, open, buy } = await openProxied()
    const channel = await open(url)
    const { response, text, charged } = await buy(channel, chat, tokenMax, question)
    expect(response.headers.get('Content-Type')).toContain('application/json')
    expect(JSON.parse(text)).toMatchObject({ usage: { prompt_tokens: 3, completion_tokens: 5 } })
    expect(charged).toBe(cost)
    expect((await buy(channel, '/v1/completions', tokenMax, { prompt: 'one two three' })).charged).toBe(cost)
    expect((await buy(channel, '/v1/responses', tokenMax, { input: 'one two three' })).charged).toBe(cost)
    expect((await channel.close()).closing.spent).toBe(3n * cost)
  })

  test('charges the same where it is streamed, and keeps the count to itself unless it was asked for', async () => {
    const { url, open, buy, service } = await openProxied()
    const channel = await open(url)
    const streamed = await buy(channel, chat, tokenMax, { ...question, stream: true })
    expect(streamed.response.headers.get('Content-Type')).toBe('text/event-stream')
    expect(saidIn(streamed.text)).toBe('word0 word1 word2 word3 word4 ')
    expect(streamed.text).not.toContain('usage')
    expect(streamed.text.endsWith('data: [DONE]\n\n')).toBe(true)
    expect(streamed.charged).toBe(cost)
    expect(service.asked.at(-1)?.body).toMatchObject({ stream_options: { include_usage: true } })
    const asking = { ...question, stream: true, stream_options: { include_usage: true } }
    const asked = await buy(channel, chat, tokenMax, asking)
    expect(asked.text).toContain('"usage":{"prompt_tokens":3,"completion_tokens":5')
    expect(asked.charged).toBe(cost)
    const input = { input: 'one two three', stream: true }
    expect((await buy(channel, '/v1/responses', tokenMax, input)).charged).toBe(cost)
    expect(service.asked.at(-1)?.body).toEqual(input)
  })

  test('counts the pieces that it passed on where nothing else is counted', async () => {
    const { url, open, buy } = await openProxied()
    const { text, charged } = await buy(await open(url), '/silent/chat/completions', tokenMax, {
      ...question,
      stream: true,
    })
    expect([saidIn(text), charged]).toEqual(['word0 word1 word2 word3 word4 ', 25n])
  })

  test('sells no answer that nobody can count', async () => {
    const { url, open, buy, trouble } = await openProxied()
    const { response, charged } = await buy(await open(url), '/silent/chat/completions', tokenMax, question)
    expect([response.status, charged]).toEqual([502, 0n])
    expect(trouble).toEqual([expect.stringMatching(/has no 'usage' of tokens. Nothing was charged/)])
  })

  test.each([{ completion_tokens: '5' }, { output_tokens: -5 }, { completion_tokens: 0.5 }, { prompt_tokens: 1e16 }])(
    'sells no answer whose count is none: %j',
    async (lie) => {
      const usage = { prompt_tokens: 3, ...lie }
      const { url: upstream } = await listenTo(async () => Response.json({ choices: [], usage }))
      const { url, open, buy } = await openProxied({ upstream })
      const { response, charged } = await buy(await open(url), chat, tokenMax, question)
      expect([response.status, charged]).toEqual([502, 0n])
    },
  )

  test('stops with a client that leaves, which is charged for what came', async () => {
    const { url, open, service } = await openProxied()
    const channel = await open(url)
    // The role, which is no token, and twenty words.
    const endless = { ...question, stream: true, max_tokens: 100, stalls_after: 21 }
    const { response, settling } = await channel.buy(url + chat, tokenMax, post(endless))
    const reader = response.body!.getReader()
    let text = ''
    while (!text.includes('word19 ')) text += new TextDecoder().decode((await reader.read()).value)
    await reader.cancel()
    await until(() => service.left() === 1, 'the service hears that nobody reads')
    expect(await settling).toBe(100n)
    expect(await channel.refresh()).toMatchObject({ spent: 100n })
  })

  test('ends a stream at the ceiling, and charges no more than that for any answer', async () => {
    const { url, open, buy, trouble } = await openProxied()
    const channel = await open(url)
    const long = { ...question, max_tokens: 10_001 }
    const streamed = await buy(channel, chat, tokenMax, { ...long, stream: true })
    expect(streamed.charged).toBe(tokenMax)
    expect(saidIn(streamed.text).trim().split(' ')).toHaveLength(10_000)
    const whole = await buy(channel, chat, tokenMax, long)
    expect(whole.charged).toBe(tokenMax)
    expect(trouble).toEqual([expect.stringMatching(/used 0\.050011 USD and is charged 0\.05, its ceiling/)])
  })

  test('charges prices by the million, the fraction of a base unit as a whole one', async () => {
    const price = { prompt: '0.15', completion: '0.6', per: 1_000_000, max: '0.05' }
    const { url, open, buy } = await openProxied({ routes: [{ match: 'POST /v1/*', price }] })
    // 3 × 0.15 + 5 × 0.6 = 3.45 millionths of a dollar.
    expect((await buy(await open(url), chat, tokenMax, question)).charged).toBe(4n)
  })

  test('passes on what the model refuses, and charges nothing', async () => {
    const { url, open, buy } = await openProxied()
    const { response, charged } = await buy(await open(url), '/v1/unknown', tokenMax, question)
    expect([response.status, charged]).toEqual([404, 0n])
  })
})

/** What a stream of chat completions says. */
function saidIn(events: string): string {
  return [...events.matchAll(/^data: (\{.*\})$/gm)]
    .map(([, json]) => (JSON.parse(json!) as { choices: [{ delta: { content?: string } }?] }).choices[0]?.delta.content)
    .join('')
}
