import { type Asset, formatDecimal, parseAsset, parseDecimal } from '../../wire/amount.ts'
import type { Budget } from './options.ts'

/** Amounts of the wallet's asset, between base units and what people write. */
export interface Money {
  /** As `USD/6`. */
  readonly asset: string
  /** `0.05`. */
  format(value: bigint): string
  /** `0.05 USD`. */
  say(value: bigint): string
  /** Throws TypeError for what is no amount of the asset; `what` names it. */
  parse(text: string, what: string): bigint
}

export type Limits = { readonly [Name in keyof Budget]: bigint }

export function moneyOf(name: string): Money {
  const asset = assetOf(name)
  return {
    asset: name,
    format: (value) => formatDecimal(value, asset),
    say: (value) => `${formatDecimal(value, asset)} ${asset.code}`,
    parse(text, what) {
      const value = parseDecimal(text, asset)
      if (!value.ok) throw new TypeError(`${what}: ${value.detail}; write it as "0.05"`)
      return value.value
    },
  }
}

export function limitsOf(budget: Budget, money: Money): Limits {
  const unknown = Object.keys(budget).find((name) => !names.includes(name as keyof Budget))
  if (unknown !== undefined) throw new TypeError(`budget.${unknown} is none of ${names.join(', ')}`)
  const given = names.flatMap((name) => {
    const text = budget[name]
    return text === undefined ? [] : [[name, money.parse(text, `budget.${name}`)] as const]
  })
  return Object.fromEntries(given)
}

/** The one of the bank's assets that is meant: `USD` for `USD/6`, its first where none is named. */
export function chooseAsset(wanted: string | undefined, assets: readonly string[]): string {
  const found = assets.find((name) => wanted === undefined || name === wanted || name.split('/')[0] === wanted)
  if (found === undefined) {
    throw new TypeError(`asset: the bank holds ${assets.join(', ') || 'none'}, not ${JSON.stringify(wanted)}`)
  }
  return found
}

const names = ['request', 'host', 'day', 'channel', 'atRisk'] as const

function assetOf(name: string): Asset {
  const asset = parseAsset(name)
  if (!asset.ok) throw new TypeError(asset.detail)
  return asset.value
}
