import { setTimeout as sleep } from 'node:timers/promises'
import { concat, utf8 } from '../../crypto/bytes.ts'
import type { StreamContext, StreamRoute } from '../routes.ts'
import { PaywallError } from './errors.ts'
import type { PriceTag } from './prices.ts'
import type { PaidStream, Routes, StreamPayment, StreamSource } from './types.ts'

/** A stream of which each unit costs as much: what its source yields, for `perToken`. */
export function paidStream(tag: PriceTag, source: StreamSource): PaidStream {
  return { tag, source: (context) => pieces(source, context) }
}

/** A stream of which each second costs as much, whatever came in it. */
export function timedStream(tag: PriceTag, source: StreamSource): PaidStream {
  return { tag, source: (context) => secondsOf(pieces(source, context), context.signal) }
}

/** A stream of which each block of bytes costs as much: the last one may be shorter. */
export function blockStream(tag: PriceTag, source: StreamSource, size: number): PaidStream {
  return { tag, source: (context) => blocksOf(pieces(source, context), size) }
}

/** The streams among routes, as a session serves them. */
export function streamsIn(routes: Routes): readonly StreamRoute[] {
  return Object.entries(routes).flatMap(([name, route]) => {
    if (!isStream(route)) return []
    const [, path] = /^GET (\/\S*)$/.exec(name) ?? []
    if (path === undefined) throw new PaywallError(`a stream is at 'GET /path'; '${name}' is not`)
    return [{ path, price: route.tag.offered!, source: route.source }]
  })
}

export function isStream(route: Routes[string]): route is PaidStream {
  return 'source' in route
}

async function* pieces(source: StreamSource, { url, index, ...context }: StreamContext): AsyncGenerator<Uint8Array> {
  const payment: StreamPayment = { id: `${context.payer}-${index}`, ...context }
  for await (const piece of source(new Request(url), payment)) yield typeof piece === 'string' ? utf8(piece) : piece
}

/**
 * What comes in each second, as one unit, and be it nothing. A second begins when it is asked for: while nobody pays, none
 * passes.
 */
async function* secondsOf(source: AsyncGenerator<Uint8Array>, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  let next = source.next()
  try {
    for (;;) {
      const second = sleep(1000, undefined, { signal }).then(() => 'over' as const)
      const unit: Uint8Array[] = []
      let arrived = await Promise.race([next, second])
      while (arrived !== 'over' && arrived.done !== true) {
        unit.push(arrived.value)
        next = source.next()
        arrived = await Promise.race([next, second])
      }
      // Where the source has ended, nobody waits for the second any more.
      second.catch(() => undefined)
      if (arrived === 'over' || unit.length > 0) yield concat(...unit)
      if (arrived !== 'over') return
    }
  } finally {
    // A source that waits for something ends when its signal says so.
    next.catch(() => undefined)
    source.return(undefined).catch(() => undefined)
  }
}

async function* blocksOf(source: AsyncIterable<Uint8Array>, size: number): AsyncGenerator<Uint8Array> {
  let rest = new Uint8Array(0)
  for await (const piece of source) {
    let bytes = concat(rest, piece)
    for (; bytes.length >= size; bytes = bytes.subarray(size)) yield bytes.subarray(0, size)
    rest = bytes
  }
  if (rest.length > 0) yield rest
}
