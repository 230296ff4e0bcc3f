import { mkdirSync, writeFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, expect, test } from 'vitest'
import { managementPaths } from '../../src/http/management.ts'
import { ListenError, sqliteVendorStore } from '../../src/vendor/index.ts'
import * as Closing from '../../src/wire/Closing.ts'
import * as Frame from '../../src/wire/Frame.ts'
import { contents, temporaryPath } from '../bank/support.ts'
import { gate, onEnd, openChannel, openStall, openTown, prepare, problemIn, type Stall, until } from '../e2e/town.ts'
import { openShop, price } from './shop.ts'

/** What comes back over a connection of its own, to its end. */
function speak(stall: Stall, say: (socket: Socket) => void): Promise<string> {
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(stall.url)
    const socket = connect(Number(port), hostname, () => say(socket))
    let heard = ''
    socket.on('data', (chunk) => {
      heard += chunk.toString('latin1')
    })
    socket.once('close', () => resolve(heard))
    socket.once('error', reject)
  })
}

/** A problem document as a connection without a request gets it. */
function problemOn(heard: string): unknown {
  const [head = '', body = ''] = heard.split('\r\n\r\n')
  expect(head).toContain('Content-Type: application/problem+json')
  expect(body).not.toMatch(/\n\s+at |node:|\.ts:\d/)
  return JSON.parse(body)
}

describe('over its limit', () => {
  test.each(['announced', 'on its way', 'without an end'])('a body is refused unread: %s', async (how) => {
    const shop = openShop()
    const town = await openTown({ routes: shop.routes, serve: { bodySizeMax: 1000 } })
    const channel = await openChannel(town)
    const { headers, send } = await prepare(channel, '/echo', price, { method: 'POST', body: 'x'.repeat(1000) })
    const before = contents(town.stall.path)
    if (how === 'announced') {
      expect(await problemIn(await send({ body: 'x'.repeat(1001) }))).toMatchObject({
        status: 413,
        reason: 'BodyTooLarge',
      })
    } else {
      const head = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
      const heard = await speak(town.stall, (socket) => {
        socket.write(`POST /echo HTTP/1.1\r\nHost: x\r\n${head.join('')}Transfer-Encoding: chunked\r\n\r\n`)
        const chunk = `1000\r\n${'x'.repeat(4096)}\r\n`
        if (how === 'on its way') {
          socket.write(`${chunk}0\r\n\r\n`)
          socket.once('data', () => socket.end())
          return
        }
        const more = (): void => {
          while (socket.writable && socket.write(chunk));
        }
        socket.on('drain', more)
        more()
      }).catch(() => 'broken off')
      if (how === 'on its way') expect(heard).toMatch(/^HTTP\/1\.1 413 /)
      else expect(heard === 'broken off' || heard.startsWith('HTTP/1.1 413 ')).toBe(true)
    }
    expect(contents(town.stall.path)).toEqual(before)
    expect((await send()).status).toBe(200)
    expect(shop.total()).toBe(1)
  })

  test('a header is refused unread', async () => {
    const { stall } = await openTown({ routes: openShop().routes })
    const heard = await speak(stall, (socket) => {
      socket.write(`GET /goods/tea HTTP/1.1\r\nHost: x\r\nLockstep-Payment: ${'A'.repeat(20_000)}\r\n\r\n`)
    })
    expect(heard).toMatch(/^HTTP\/1\.1 431 /)
    expect(problemOn(heard)).toMatchObject({ status: 431, reason: 'HeaderTooLarge' })
  })

  test('a question or a release is refused unread', async () => {
    const { stall } = await openTown()
    for (const [path, size] of [
      [managementPaths.ask, Frame.askSize],
      [managementPaths.release, Closing.releaseSize],
    ] as const) {
      const post = (body: Uint8Array<ArrayBuffer>): Promise<Response> =>
        fetch(stall.url + path, { method: 'POST', body })
      expect(await problemIn(await post(new Uint8Array(size + 1)))).toMatchObject({
        status: 413,
        reason: 'BodyTooLarge',
      })
      expect(await problemIn(await post(new Uint8Array(size)))).toMatchObject({ status: 400, reason: 'Malformed' })
      expect(await problemIn(await post(new Uint8Array(0)))).toMatchObject({ status: 400, reason: 'Malformed' })
    }
  })

  test('the time for a request is over', async () => {
    const { stall } = await openTown({ serve: { requestTimeoutMs: 200 } })
    const heard = await speak(stall, (socket) => socket.write('GET /goods/tea HTTP/1.1\r\nHost: x\r\nLock'))
    expect(heard).toMatch(/^HTTP\/1\.1 408 /)
    expect(problemOn(heard)).toMatchObject({ reason: 'RequestTimeout' })
  })
})

describe('what cannot be read', () => {
  test.each([
    ['garbage', 'la la la\r\n\r\n', 400],
    ['a method of no use', 'TRACE / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n', 400],
    ['a path that is none', 'GET http://other.example/goods HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n', 404],
    ['a path with two slashes', 'GET //goods/tea HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n', 404],
    ['no path', 'OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n', 204],
    ['no host', 'GET /goods/tea HTTP/1.1\r\nConnection: close\r\n\r\n', 400],
    ['an old client', 'GET /goods/tea HTTP/1.0\r\n\r\n', 402],
    ['what nobody can expect', 'GET / HTTP/1.1\r\nHost: x\r\nExpect: magic\r\nConnection: close\r\n\r\n', 404],
    ['a tunnel', 'CONNECT other.example:443 HTTP/1.1\r\nHost: other.example:443\r\n\r\n', 405],
    ['half a body', 'POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf', undefined],
    ['another protocol', 'GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n', 404],
    ['an upgrade to nowhere', 'GET //[ HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n', 404],
  ] as const)('is refused, and the next one is served: %s', async (_, bytes, status) => {
    const { stall } = await openTown({ routes: openShop().routes })
    const heard = await speak(stall, (socket) => {
      socket.write(bytes)
      if (status === undefined) setTimeout(() => socket.destroy(), 50)
    })
    if (status !== undefined) expect(heard).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `))
    if (status !== undefined && status >= 400) expect(heard).toMatch(/^content-type: application\/problem\+json\r$/im)
    expect((await fetch(`${stall.url}/goods/tea`)).status).toBe(402)
    expect(stall.errors).toEqual([])
  })
})

describe('a client that goes', () => {
  test('while its handler runs is charged, and may ask again', async () => {
    const { opened, open } = gate()
    const shop = openShop({ handler: () => opened.then(() => new Response('x'.repeat(60_000))) })
    const town = await openTown({ routes: shop.routes })
    const channel = await openChannel(town)
    const { headers, send } = await prepare(channel, '/goods/tea', price)
    const head = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
    const gone = speak(town.stall, (socket) =>
      socket.write(`GET /goods/tea HTTP/1.1\r\nHost: x\r\n${head.join('')}\r\n`, () => {
        setTimeout(() => socket.resetAndDestroy(), 20)
      }),
    ).catch(() => 'reset')
    await until(async () => (await town.stall.running(channel)) === 1, 'the handler runs')
    await gone
    open()
    await until(async () => (await town.stall.running(channel)) === 0, 'the handler has ended')
    expect(await channel.refresh()).toMatchObject({ spent: price })
    expect((await send()).status).toBe(200)
    expect(shop.total()).toBe(1)
    expect(town.stall.errors).toEqual([])
  })

  test('in the middle of an answer, or of an upgrade, takes nothing with it', async () => {
    const town = await openTown({ routes: openShop().routes, streams: [{ path: '/stream', price, source: () => [] }] })
    const channel = await openChannel(town)
    const { headers, send } = await prepare(channel, '/bytes/20000000', price)
    const head = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
    await speak(town.stall, (socket) => {
      socket.write(`GET /bytes/20000000 HTTP/1.1\r\nHost: x\r\n${head.join('')}\r\n`)
      socket.once('data', () => socket.resetAndDestroy())
    }).catch(() => 'reset')
    for (const path of ['/stream', '/nowhere']) {
      for (const when of ['at once', 'after the answer']) {
        const upgrades = Array.from({ length: 10 }, () =>
          speak(town.stall, (socket) => {
            const reset = (): void => void socket.resetAndDestroy()
            if (when === 'after the answer') socket.once('data', reset)
            socket.write(
              `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n` +
                'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: lockstep.1\r\n\r\n',
              when === 'at once' ? reset : undefined,
            )
          }).catch(() => 'reset'),
        )
        await Promise.all(upgrades)
      }
    }
    expect(await problemIn(await send())).toMatchObject({ reason: 'AnswerGone' })
    expect(town.stall.errors).toEqual([])
  })
})

describe('a vendor does not start', () => {
  test('on a port that is in use, and says what to do', async () => {
    const stall = await openStall()
    const port = Number(new URL(stall.url).port)
    const second = openStall({ port })
    await expect(second).rejects.toThrow(ListenError)
    await expect(second).rejects.toThrow(`the vendor cannot listen on 127.0.0.1:${port}: the port is in use`)
  })

  test('on a store whose folder is missing, or that is none, or of a newer version, and changes nothing', async () => {
    const folder = dirname(temporaryPath())
    const open = async (path: string): Promise<void> => {
      const store = sqliteVendorStore(path)
      onEnd(() => store.close())
      await store.unsettled()
    }
    await expect(open(join(folder, 'missing', 'vendor.sqlite'))).rejects.toThrow(/folder/)
    const garbage = join(folder, 'garbage.sqlite')
    writeFileSync(garbage, 'no database '.repeat(100))
    await expect(open(garbage)).rejects.toThrow(/garbage\.sqlite/)
    mkdirSync(join(folder, 'directory.sqlite'))
    await expect(open(join(folder, 'directory.sqlite'))).rejects.toThrow(/directory\.sqlite/)
    const newer = join(folder, 'newer.sqlite')
    await open(newer)
    const db = new DatabaseSync(newer)
    db.exec('PRAGMA user_version = 99')
    db.close()
    await expect(open(newer)).rejects.toThrow(/newer|version/)
  })
})
