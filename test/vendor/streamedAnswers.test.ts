/** Answers that are metered while they leave, behind each framework: who reads them, who leaves, and who does not read. */

import { connect } from 'node:net'
import { describe, expect, test } from 'vitest'
import type { PayingChannel } from '../../src/client/index.ts'
import type { Pieces } from '../../src/vendor/index.ts'
import { gate, onEnd, prepare, until } from '../e2e/town.ts'
import { type Framework, frameworks } from './frameworks.ts'
import { openPayTown, type PayTown } from './town.ts'

const max = 10_000n
const text = new TextDecoder()

async function openWords(
  framework: Framework,
  words: () => Pieces,
  readTimeoutMs?: number,
): Promise<{ town: PayTown; url: string; channel: PayingChannel }> {
  const town = await openPayTown(readTimeoutMs === undefined ? {} : { readTimeoutMs })
  const url = await framework.open(town.pay, new Map(), words)
  return { town, url, channel: await town.open(url) }
}

describe.each(frameworks)('a metered stream behind $name', (framework) => {
  test('leaves as it is made, and costs what was made when it ends', async () => {
    const heard = [gate(), gate(), gate()]
    const { town, url, channel } = await openWords(framework, async function* () {
      for (const [at, word] of ['one ', 'two ', 'three'].entries()) {
        // No word is made before its reader has the one before.
        if (at > 0) await heard[at - 1]!.opened
        yield word
      }
    })
    const { response, charged, settling } = await channel.buy(`${url}/words`, max)
    expect([response.status, charged]).toEqual([200, undefined])
    expect(response.headers.get('Content-Type')).toMatch(/^text\/x-words/)
    const reader = response.body!.getReader()
    const said: string[] = []
    for (let at = 0; ; at++) {
      const { done, value } = await reader.read()
      if (done) break
      said.push(text.decode(value))
      heard[at]?.open()
    }
    expect(said).toEqual(['one ', 'two ', 'three'])
    expect(await settling).toBe(3n)
    expect(await channel.refresh()).toMatchObject({ spent: 3n, paid: max })
    expect(town.errors).toEqual([])
  })

  test('whose client leaves costs what was made until then, and its source ends', async () => {
    let hasEnded = false
    const later = gate()
    const { url, channel } = await openWords(framework, async function* () {
      try {
        yield 'one '
        yield 'two '
        await later.opened
        yield 'three'
      } finally {
        hasEnded = true
      }
    })
    const { response, settling } = await channel.buy(`${url}/words`, max)
    const reader = response.body!.getReader()
    for (let said = ''; said !== 'one two '; said += text.decode((await reader.read()).value));
    await reader.cancel()
    later.open()
    await until(() => hasEnded, 'the source ends')
    expect(await settling).toBe(2n)
    expect(await channel.refresh()).toMatchObject({ spent: 2n, credit: max - 2n })
  })

  test('whose client never reads is given up: little is made, no more is charged than was sent, the connection ends', async () => {
    let made = 0
    let hasEnded = false
    const { url, channel } = await openWords(
      framework,
      async function* () {
        try {
          for (;;) {
            made += 1
            yield new Uint8Array(pieceSize)
          }
        } finally {
          hasEnded = true
        }
      },
      300,
    )
    const { headers, index } = await prepare(channel, '/words', max)
    const { port } = new URL(url)
    const socket = connect(Number(port), '127.0.0.1')
    onEnd(async () => socket.destroy())
    // It is never asked for what has come, and stops taking when the system's own room for it is full.
    socket.pause()
    const head = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
    socket.write(`GET /words HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n${head.join('')}\r\n`)
    await until(() => hasEnded, 'the source is given up')
    let spent = 0n
    await until(async () => {
      spent = (await channel.refresh()).spent
      return spent > 0n
    }, 'its payment has ended')
    expect(index).toBe(1)
    expect(made).toBeLessThan(Number(max) / 4)
    expect(spent).toBeLessThanOrEqual(BigInt(made))

    let came = 0
    const closed = new Promise((resolve) => socket.once('close', resolve))
    socket.on('error', () => undefined)
    socket.on('data', (bytes) => {
      came += bytes.length
    })
    socket.resume()
    await closed
    // What was on its way inside the vendor's process when the connection ended.
    expect(Number(spent) * pieceSize).toBeLessThanOrEqual(came + 20 * pieceSize)
  })
})

const pieceSize = 16_384
