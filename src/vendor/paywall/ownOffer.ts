import { utf8 } from '../../crypto/bytes.ts'
import { type LockSchemeName, lockSchemes } from '../../crypto/locks.ts'
import { hkdf } from '../../crypto/mac.ts'
import * as Schnorr from '../../crypto/Schnorr.ts'
import * as Offer from '../../http/Offer.ts'
import { amount, type UnixSeconds } from '../../wire/amount.ts'
import { vendorIdentity } from '../identity.ts'
import { createOfferResponse } from '../responses.ts'
import { type KnownBank, networkOf } from './bank.ts'
import type { PriceTag } from './prices.ts'
import type { PaywallOptions } from './types.ts'

/** What the vendor offers before it sells anything, in terms that every bank takes. */
export function ownOffer(
  { lifeMinSeconds = 3600, graceMinSeconds = 3600, identity = '' }: PaywallOptions,
  banks: readonly KnownBank[],
  own: {
    readonly asset: string
    readonly key: Schnorr.KeyPair
    readonly frame: Schnorr.KeyPair
    readonly restoredAt: UnixSeconds | undefined
  },
): Offer.Offer {
  const { asset, key, frame, restoredAt } = own
  const rules = banks.map(({ offer }) => offer.rules)
  return {
    version: 1,
    network: networkOf(banks),
    asset,
    banks: banks.map((bank) => ({ key: bank.key, url: bank.url })),
    vendor: key.publicKey,
    vendorFrameKey: frame.publicKey,
    vendorIdentity: vendorIdentity(identity, key, restoredAt),
    unitPrice: amount(1n),
    segmentLength: 1024,
    lockSchemes: Object.keys(lockSchemes) as readonly LockSchemeName[],
    lifeMin: within(
      lifeMinSeconds,
      // A client opens for longer than the least, or its channel would be too short when it gets here.
      rules.map((rule) => [Number(rule.lifeMin), Number(rule.lifeMax / 2n)]),
    ),
    graceMin: within(
      graceMinSeconds,
      rules.map((rule) => [rule.graceMin, rule.graceMax]),
    ),
    routes: [],
  }
}

/** The same at every start: one key file is enough to be this vendor again. */
export function frameKeyOf({ secret }: Schnorr.KeyPair): Schnorr.KeyPair {
  return Schnorr.keyPair(hkdf({ secret, salt: utf8('lockstep/paywall-frame'), info: new Uint8Array(0), length: 32 }))
}

/** The offer with what is sold, as it is now. */
export interface ShownOffer {
  readonly offer: Offer.Offer
  /** As a 402 carries it. */
  readonly json: unknown
  readonly respond: (request: Request) => Response
}

/** An offer that learns what is sold. A coin is worth what all prices are multiples of, or a hundredth of a ceiling. */
export class GrowingOffer {
  readonly #own: Offer.Offer
  readonly #routes = new Map<string, Offer.RouteOffer>()
  #unit = 0n
  #leastCeiling = 0n
  #shown: ShownOffer | undefined

  constructor(own: Offer.Offer) {
    this.#own = own
  }

  get now(): ShownOffer {
    this.#shown ??= this.#show()
    return this.#shown
  }

  /** Hears of a price, be its path known or not. */
  note({ offered, isCeiling }: PriceTag): void {
    if (offered === undefined || offered === 0n) return
    if (!isCeiling) this.#unit = divisor(this.#unit, offered)
    else if (this.#leastCeiling === 0n || offered < this.#leastCeiling) this.#leastCeiling = offered
    this.#shown = undefined
  }

  add(method: string, path: string, { offered, isCeiling, per }: PriceTag): void {
    // An offer is one small document: whoever sells more paths than that names the price when it is asked.
    if (offered === undefined || this.#routes.size >= routesMax) return
    const metered = isCeiling ? ({ metered: true } as const) : {}
    this.#routes.set(`${method} ${path}`, { method, path, price: amount(offered), per, ...metered })
    this.#shown = undefined
  }

  #show(): ShownOffer {
    const routes = [...this.#routes.values()]
    const unit = this.#unit === 0n ? this.#leastCeiling / 100n : this.#unit
    const offer = { ...this.#own, routes, unitPrice: amount(unit === 0n ? 1n : unit) }
    return { offer, json: JSON.parse(Offer.encode(offer)) as unknown, respond: createOfferResponse(offer) }
  }
}

const routesMax = 400

function divisor(left: bigint, right: bigint): bigint {
  return right === 0n ? left : divisor(right, left % right)
}

/** A time that every bank takes, as near to the wish as can be. */
function within(seconds: number, ranges: readonly (readonly [number, number])[]): number {
  const [least, most] = [Math.max(...ranges.map(([from]) => from)), Math.min(...ranges.map(([, to]) => to))]
  return Math.max(least, Math.min(seconds, most))
}
