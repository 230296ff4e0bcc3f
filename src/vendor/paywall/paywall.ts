import { toHex } from '../../crypto/bytes.ts'
import * as Schnorr from '../../crypto/Schnorr.ts'
import { type Asset, parseAsset } from '../../wire/amount.ts'
import { answering, type Handler } from '../answering.ts'
import { createBankTime } from '../bankTime.ts'
import { claimAtBank } from '../claimAtBank.ts'
import { asError } from '../errors.ts'
import { eventStreams } from '../eventStreams.ts'
import { hearBanks } from '../hearBanks.ts'
import { chargeDoubtful } from '../purchase.ts'
import { serve } from '../server.ts'
import type { VendorDatabase } from '../store/contract.ts'
import { Till } from '../till.ts'
import { assetAt, type BankOption, learnBanks } from './bank.ts'
import { startClaims } from './claims.ts'
import { PaywallError } from './errors.ts'
import { type Priced, withPrices } from './openapi.ts'
import { frameKeyOf, GrowingOffer, ownOffer } from './ownOffer.ts'
import { ownPaths } from './ownPaths.ts'
import { keyPathOf, openStore, publicAddress, secretAt } from './places.ts'
import { meteredTag, type PriceTag, tagOf, unitTag } from './prices.ts'
import { register } from './register.ts'
import { routed } from './routed.ts'
import { createSeller } from './seller.ts'
import { blockStream, paidStream, streamsIn, timedStream } from './streams.ts'
import type { MeteredHandler, PaidHandler, Paywall, PaywallLogger, PaywallOptions, Routes } from './types.ts'

/**
 * Opens a vendor: asks the bank what it holds, opens the store, makes a key where there is none, and claims what was charged
 * before channels end. Throws `PaywallError` with one line that says what is wrong.
 *
 * ```ts
 * const pay = await paywall({ bank: 'https://bank.example', asset: 'USD', store: 'sqlite:./vendor.db' })
 * const joke = pay.each('0.001', () => Response.json({ joke: '…' }))
 * await pay.listen({ port: 8080, routes: { 'GET /joke': joke } })
 * ```
 */
export async function paywall(options: PaywallOptions): Promise<Paywall> {
  const { timeoutMs = 10_000, logger = warnings, bodySizeMax = 1_048_576, trustProxy = false } = options
  const onError = options.onError ?? ((error: unknown): void => logger.error(asError(error).stack ?? String(error)))
  const publicUrl = options.publicUrl === undefined ? undefined : publicAddress(options.publicUrl)
  const keyPath = keyPathOf(options)
  const time = createBankTime()
  const { now } = time
  const banks = await learnBanks(banksOf(options.bank), { keptIn: keyPath, timeoutMs, time, logger })
  const assetName = assetAt(banks, options.asset)
  const asset = assetOf(assetName)
  const key = Schnorr.keyPair(await secretAt(keyPath))
  const frame = frameKeyOf(key)
  const { store, isOwn } = await openStore(options.store)
  const own = ownOffer(options, banks, { asset: assetName, key, frame, restoredAt: await store.restoredAt() })
  const till = new Till({
    store,
    now,
    frameKey: frame.secret,
    identity: own.vendorIdentity,
    acceptance: { ...own, banks: banks.map((bank) => bank.key), lifeMin: BigInt(own.lifeMin) },
    ...(options.node !== undefined && { lease: { store, node: options.node } }),
  })
  const closing = { till, store, vendor: key }
  const claims = startClaims(
    {
      store,
      now,
      logger,
      claim: (reference) => claimAtBank(banks, closing, reference),
      hear: () => hearBanks(time, banks, (ahead) => logger.warn(`the clock was put right by ${ahead} s`)),
      kept: { retentionDays: options.retentionDays ?? 400, answerSeconds: options.answerSeconds ?? 86_400 },
    },
    options.closeMarginSeconds ?? own.graceMin / 2,
  )
  const offer = new GrowingOffer(own)
  const shown = (): GrowingOffer['now'] => offer.now
  const list: Paywall['list'] = (method, path, tag) => offer.add(method, path, tag)
  const handle = ownPaths({ closing, shown, onReleased: claims.hurry, onError })
  const { readTimeoutMs } = options
  const patience = readTimeoutMs === undefined ? {} : { readTimeoutMs }
  const { sell } = createSeller({
    till,
    ...patience,
    bodySizeMax,
    onError,
    asset,
    assetName,
    publicUrl,
    trustProxy,
    offer: () => offer.now.json,
  })
  const closers: (() => Promise<void>)[] = []
  const reached = publicUrl === undefined ? {} : { publicUrl }
  const priced = (): Priced => ({ routes: offer.now.offer.routes, assetName, asset })
  const sold = (routes: Routes): Handler => routed({ sell, list, handle, priced }, routes)
  await settleDoubts({ store, till, onError })
  await Promise.all(banks.map((bank) => register(bank, { key, assetName, asset, now, timeoutMs, logger })))

  function noted(tag: PriceTag): PriceTag {
    offer.note(tag)
    return tag
  }

  function paid(tag: PriceTag, run: MeteredHandler): PaidHandler {
    const handler = (request: Request): Promise<Response> => sell(request, tag, run)
    return Object.assign(handler, { tag, run })
  }

  let closed: Promise<void> | undefined
  async function close(): Promise<void> {
    await Promise.all(closers.splice(0).map((end) => end()))
    await claims.stop()
    await till.stop()
    if (isOwn) await store.close()
  }

  return {
    asset: assetName,
    vendor: toHex(key.publicKey),
    bodySizeMax,
    closing,
    offer: () => offer.now.offer,
    each: (price, handler, more) =>
      paid(noted(tagOf(asset, price, more)), (request, _, payment) => handler(request, payment)),
    metered: (ceiling, handler) => paid(noted(meteredTag(asset, ceiling)), handler),
    price: (price, more) => noted(tagOf(asset, price, more)),
    ceiling: (ceiling) => noted(meteredTag(asset, ceiling)),
    sell,
    list,
    handle,
    openapi: (document) => withPrices(document, priced()),
    perToken: (price, source) => paidStream(noted(unitTag(asset, price)), source),
    perSecond: (price, source) => timedStream(noted(unitTag(asset, price)), source),
    perByte: (price, source, { block = 1024 } = {}) => blockStream(noted(unitTag(asset, price, block)), source, block),
    fetch(routes) {
      const events = eventStreams({ till, onError, ...reached, ...patience, streams: streamsIn(routes) })
      closers.push(() => events.close())
      return answering([events.handle, sold(routes)], onError)
    },
    async listen({ routes, ...at }) {
      const handler = sold(routes)
      const streams = streamsIn(routes)
      const server = await serve({
        ...at,
        ...reached,
        ...patience,
        till,
        bodySizeMax,
        onError,
        streams,
        handlers: () => [handler],
      })
      closers.push(() => server.close())
      return server
    },
    collect: claims.all,
    close() {
      closed ??= close()
      return closed
    },
  }
}

const warnings: PaywallLogger = {
  info: () => undefined,
  warn: (message) => process.emitWarning(message, 'LockstepWarning'),
  error: (message) => process.emitWarning(message, 'LockstepWarning'),
}

function banksOf(bank: PaywallOptions['bank']): readonly BankOption[] {
  const banks = Array.isArray(bank) ? (bank as readonly BankOption[]) : [bank as BankOption]
  if (banks.length === 0) throw new PaywallError('a paywall needs a bank: name its address')
  return banks
}

function assetOf(name: string): Asset {
  const asset = parseAsset(name)
  if (!asset.ok) throw new PaywallError(`the bank holds an asset that cannot be read: ${asset.detail}`)
  return asset.value
}

/** Charges what a crash left in doubt on routes that chose so. A channel that another node has is that one's. */
async function settleDoubts(deps: {
  readonly store: VendorDatabase
  readonly till: Till
  readonly onError: (error: unknown) => void
}): Promise<void> {
  const { store, till, onError } = deps
  for (const payment of await store.running()) {
    if (payment.charged === 0n) continue
    try {
      const found = await till.find(payment.channelId.subarray(0, 16), undefined)
      if (found.ok && !found.held.running.has(payment.index)) await chargeDoubtful(till, found.held, payment)
    } catch (error) {
      onError(error)
    }
  }
}
