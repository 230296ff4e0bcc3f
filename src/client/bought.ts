import type { Bought } from './journal/contract.ts'

/** What the ledger says that was bought: an address without its query, which may hold secrets. */
export function boughtFrom(method: string, url: string): Bought {
  const { origin, pathname } = new URL(url)
  return { method, target: origin + pathname }
}
