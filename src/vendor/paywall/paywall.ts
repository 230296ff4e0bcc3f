import { toHex, utf8 } from '../../crypto/bytes.ts'
import { lockSchemes } from '../../crypto/locks.ts'
import { hkdf } from '../../crypto/mac.ts'
import * as Schnorr from '../../crypto/Schnorr.ts'
import { managementPaths } from '../../http/management.ts'
import * as Offer from '../../http/Offer.ts'
import { type Asset, amount, parseAsset, type UnixSeconds, unixSeconds } from '../../wire/amount.ts'
import { answering } from '../answering.ts'
import { claimAtBank } from '../claimAtBank.ts'
import { systemTime } from '../clock.ts'
import { asError } from '../errors.ts'
import { eventStreams } from '../eventStreams.ts'
import { vendorIdentity } from '../identity.ts'
import { management } from '../management.ts'
import { openVendorDatabase } from '../openStore.ts'
import { chargeDoubtful } from '../purchase.ts'
import { createOfferResponse, methodResponse } from '../responses.ts'
import { serve } from '../server.ts'
import type { VendorDatabase } from '../store/contract.ts'
import { Till } from '../till.ts'
import { assetAt, type BankOption, type KnownBank, learnBank, networkOf } from './bank.ts'
import { startClaims } from './claims.ts'
import { PaywallError } from './errors.ts'
import { keyIn, randomKey } from './keyFile.ts'
import { meteredTag, type PriceTag, tagOf, unitTag } from './prices.ts'
import { routed } from './routed.ts'
import { createSeller } from './seller.ts'
import { blockStream, paidStream, streamsIn, timedStream } from './streams.ts'
import type { MeteredHandler, PaidHandler, Paywall, PaywallLogger, PaywallOptions } from './types.ts'

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
  const { timeoutMs = 10_000, logger = warnings, bodySizeMax = 1_048_576 } = options
  const onError = options.onError ?? ((error: unknown): void => logger.error(asError(error).stack ?? String(error)))
  const publicUrl = options.publicUrl === undefined ? undefined : publicAddress(options.publicUrl)
  const banks = await Promise.all(banksOf(options.bank).map((bank) => learnBank(bank, timeoutMs)))
  const assetName = assetAt(banks, options.asset)
  const asset = assetOf(assetName)
  const key = Schnorr.keyPair(await secretOf(options))
  const { store, isOwn } = await storeOf(options.store)
  const [bank] = banks
  const offset = bank!.offer.now - systemTime()
  const now = (): ReturnType<typeof systemTime> => unixSeconds(systemTime() + offset)
  const terms = termsOf(options, banks, { asset: assetName, key, restoredAt: await store.restoredAt() })
  const till = new Till({
    store,
    frameKey: terms.frame.secret,
    now,
    identity: terms.offer.vendorIdentity,
    ...(options.node !== undefined && { lease: { store, node: options.node } }),
    acceptance: {
      ...terms.offer,
      banks: banks.map((known) => known.key),
      lifeMin: BigInt(terms.offer.lifeMin),
    },
  })
  const closing = { till, store, vendor: key }
  const listed = new Map<string, Offer.RouteOffer>()
  let shown = showOffer(terms.offer, listed)
  const seller = createSeller({
    till,
    bodySizeMax,
    onError,
    asset,
    assetName,
    publicUrl,
    offer: () => shown.json,
  })
  const claims = startClaims(
    { store, now, logger, claim: (reference) => claimAtBank(banks, closing, reference) },
    options.closeMarginSeconds ?? terms.offer.graceMin / 2,
  )
  const manage = management(closing)
  const closers: (() => Promise<void>)[] = []

  function paid(tag: PriceTag, run: MeteredHandler): PaidHandler {
    const handler = (request: Request): Promise<Response> => seller.sell(request, tag, run)
    return Object.assign(handler, { tag, run })
  }

  async function handle(request: Request): Promise<Response | undefined> {
    const { pathname } = new URL(request.url)
    if (pathname === Offer.offerPath) {
      if (request.method === 'OPTIONS') return undefined
      const isAsked = request.method === 'GET' || request.method === 'HEAD'
      return isAsked ? shown.respond(request) : methodResponse(['GET', 'HEAD'], request)
    }
    const response = await manage(request)
    // Every receipt is open: what was charged can be had at once, and the client has its rest back.
    if (pathname === managementPaths.release && response?.ok === true) claims.hurry(await channelIn(response.clone()))
    return response
  }

  function list(method: string, path: string, tag: PriceTag): void {
    const { offered, isCeiling, per } = tag
    // An offer is one small document: whoever sells more paths than that names the price when it is asked.
    if (offered === undefined || listed.size >= listedMax) return
    const metered = isCeiling ? ({ metered: true } as const) : {}
    listed.set(`${method} ${path}`, { method, path, price: amount(offered), per, ...metered })
    shown = showOffer(terms.offer, listed)
  }

  await settleDoubts(store, till, onError)
  return {
    asset: assetName,
    vendor: toHex(key.publicKey),
    offer: () => shown.offer,
    each: (price, handler, priceOptions) =>
      paid(tagOf(asset, price, priceOptions), (request, _meter, payment) => handler(request, payment)),
    metered: (ceiling, handler) => paid(meteredTag(asset, ceiling), handler),
    price: (price, priceOptions) => tagOf(asset, price, priceOptions),
    ceiling: (ceiling) => meteredTag(asset, ceiling),
    sell: seller.sell,
    list,
    handle,
    perToken: (price, source) => paidStream(unitTag(asset, price), source),
    perSecond: (price, source) => timedStream(unitTag(asset, price), source),
    perByte: (price, source, { block = 1024 } = {}) => blockStream(unitTag(asset, price, block), source, block),
    fetch(routes) {
      const events = eventStreams({
        till,
        streams: streamsIn(routes),
        onError,
        ...(publicUrl !== undefined && { publicUrl }),
      })
      closers.push(() => events.close())
      return answering([events.handle, routed({ sell: seller.sell, list, handle }, routes)], onError)
    },
    async listen({ routes, host, port }) {
      const server = await serve({
        till,
        bodySizeMax,
        onError,
        streams: streamsIn(routes),
        handlers: () => [
          routed(
            {
              sell: seller.sell,
              list,
              handle,
            },
            routes,
          ),
        ],
        ...(host !== undefined && { host }),
        ...(port !== undefined && { port }),
        ...(publicUrl !== undefined && { publicUrl }),
      })
      closers.push(() => server.close())
      return server
    },
    collect: claims.all,
    closing,
    async close() {
      await Promise.all(closers.splice(0).map((end) => end()))
      await claims.stop()
      await till.stop()
      if (isOwn) await store.close()
    },
  }
}

const listedMax = 500

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

function publicAddress(url: string): string {
  const parsed = URL.canParse(url) ? new URL(url) : undefined
  if (parsed !== undefined && /^https?:$/.test(parsed.protocol) && parsed.search === '' && parsed.hash === '') {
    return url.replace(/\/$/, '')
  }
  throw new PaywallError(`publicUrl is an address such as https://api.example; '${url}' is none`)
}

async function storeOf(
  store: PaywallOptions['store'],
): Promise<{ readonly store: VendorDatabase; readonly isOwn: boolean }> {
  if (typeof store !== 'string') return { store, isOwn: false }
  try {
    const database = await openVendorDatabase(placeOf(store))
    // A PostgreSQL server is only asked now.
    await database.running()
    return { store: database, isOwn: true }
  } catch (cause) {
    if (cause instanceof PaywallError) throw cause
    throw new PaywallError(`the store cannot be opened: ${asError(cause).message}`, { cause })
  }
}

function placeOf(store: string): string {
  const [, path] = /^sqlite:(.+)$/.exec(store) ?? []
  if (path !== undefined) return path
  if (/^postgres(?:ql)?:\/\//.test(store)) return store
  throw new PaywallError(`a store is 'sqlite:PATH' or 'postgres://…'; '${store.slice(0, 40)}' is neither`)
}

/** The vendor's key: in the file named, beside the store, or none that lasts for a store that does not. */
async function secretOf({ key, store }: PaywallOptions): Promise<Uint8Array> {
  if (key !== undefined) return keyIn(key)
  const path = typeof store === 'string' ? placeOf(store) : undefined
  if (path === ':memory:') return randomKey()
  if (path === undefined || path.startsWith('postgres')) {
    throw new PaywallError('name the file of the vendor’s key: { key: "./vendor.key" }. It is made where there is none')
  }
  return keyIn(`${path.replace(/\.(?:db|sqlite3?)$/, '')}.key`)
}

interface OwnTerms {
  readonly offer: Offer.Offer
  readonly frame: Schnorr.KeyPair
}

function termsOf(
  options: PaywallOptions,
  banks: readonly KnownBank[],
  own: { readonly asset: string; readonly key: Schnorr.KeyPair; readonly restoredAt: UnixSeconds | undefined },
): OwnTerms {
  const { lifeMinSeconds = 86_400, graceMinSeconds = 3600, identity = '' } = options
  const { asset, key, restoredAt } = own
  const rules = banks.map(({ offer }) => offer.rules)
  const frame = Schnorr.keyPair(frameSecret(key))
  const offer: Offer.Offer = {
    version: 1,
    network: networkOf(banks),
    asset,
    banks: banks.map((bank) => ({ key: bank.key, url: bank.url })),
    vendor: key.publicKey,
    vendorFrameKey: frame.publicKey,
    vendorIdentity: vendorIdentity(identity, key, restoredAt),
    unitPrice: amount(1n),
    segmentLength: 1024,
    lockSchemes: Object.keys(lockSchemes) as readonly (keyof typeof lockSchemes)[],
    lifeMin: within(lifeMinSeconds, rules, (rule) => [Number(rule.lifeMin), Number(rule.lifeMax / 2n)]),
    graceMin: within(graceMinSeconds, rules, (rule) => [rule.graceMin, rule.graceMax]),
    routes: [],
  }
  return { offer, frame }
}

/** A time that every bank takes. */
function within(
  seconds: number,
  rules: readonly KnownBank['offer']['rules'][],
  rangeOf: (rule: KnownBank['offer']['rules']) => readonly [number, number],
): number {
  const ranges = rules.map(rangeOf)
  const [least, most] = [Math.max(...ranges.map(([from]) => from)), Math.min(...ranges.map(([, to]) => to))]
  return Math.max(least, Math.min(seconds, most))
}

/** The same at every start: one file is enough to be this vendor again. */
function frameSecret({ secret }: Schnorr.KeyPair): Uint8Array {
  return hkdf({ secret, salt: utf8('lockstep/paywall-frame'), info: new Uint8Array(0), length: 32 })
}

interface ShownOffer {
  readonly offer: Offer.Offer
  readonly json: unknown
  readonly respond: (request: Request) => Response
}

/** The offer with its routes; a coin is worth what all their prices are multiples of. */
function showOffer(own: Offer.Offer, listed: ReadonlyMap<string, Offer.RouteOffer>): ShownOffer {
  const routes = [...listed.values()]
  const unit = routes.reduce((common, { price }) => divisor(common, price), 0n)
  const offer = { ...own, routes, unitPrice: amount(unit === 0n ? 1n : unit) }
  return { offer, json: JSON.parse(Offer.encode(offer)) as unknown, respond: createOfferResponse(offer) }
}

function divisor(left: bigint, right: bigint): bigint {
  return right === 0n ? left : divisor(right, left % right)
}

/** Charges what a crash left in doubt on routes that chose so. A channel that another node has is that one's. */
async function settleDoubts(store: VendorDatabase, till: Till, onError: (error: unknown) => void): Promise<void> {
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

async function channelIn(response: Response): Promise<string> {
  return ((await response.json()) as { readonly channelId: string }).channelId
}
