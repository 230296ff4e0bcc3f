import { equal, fromHex, toHex } from '../../crypto/bytes.ts'
import { type BankOffer, bankAnswerMax, bankPaths, parseBankOffer } from '../../http/bank.ts'
import { parseAsset } from '../../wire/amount.ts'
import { PaywallError } from './errors.ts'

/** Where a bank is, and the key that it has to have. Without one, whoever answers there is believed at the first start. */
export type BankOption = string | { readonly url: string; readonly key?: string | Uint8Array }

/** A bank that answered. */
export interface KnownBank {
  readonly url: string
  readonly key: Uint8Array
  readonly offer: BankOffer
}

/** Asks a bank for its offer. Throws {@link PaywallError} where it does not answer, or is another one. */
export async function learnBank(option: BankOption, timeoutMs: number): Promise<KnownBank> {
  const { url, key } = typeof option === 'string' ? { url: option, key: undefined } : option
  const offer = await ask(addressOf(url), timeoutMs)
  if (key !== undefined && !equal(offer.bank, pinnedKey(key))) {
    const found = toHex(offer.bank)
    throw new PaywallError(
      `the bank at ${url} has the key ${found}, not the one it was given with: this is another bank, or somebody in between`,
    )
  }
  return { url, key: offer.bank, offer }
}

/** `USD`, or `USD/6`, as all these banks hold it. */
export function assetAt(banks: readonly KnownBank[], wanted: string): string {
  const [first] = banks
  const held = first!.offer.rules.assets.filter((name) => banks.every(({ offer }) => offer.rules.assets.includes(name)))
  const fitting = held.filter((name) => {
    const asset = parseAsset(name)
    return name === wanted || (asset.ok && asset.value.code === wanted)
  })
  if (fitting.length === 1) return fitting[0]!
  const where = banks.map(({ url }) => url).join(' and ')
  if (fitting.length > 1)
    throw new PaywallError(`asset '${wanted}' is more than one at ${where}: ${fitting.join(', ')}`)
  throw new PaywallError(`no asset '${wanted}' is held at ${where}: there is ${held.join(', ') || 'none'}`)
}

/** The network that all these banks record on: an offer has one. */
export function networkOf(banks: readonly KnownBank[]): string {
  const networks = [...new Set(banks.map(({ offer }) => offer.rules.network))]
  if (networks.length === 1) return networks[0]!
  throw new PaywallError(`the banks record on more than one network: ${networks.join(', ')}. Open a paywall for each`)
}

async function ask(url: URL, timeoutMs: number): Promise<BankOffer> {
  const body = await read(url, timeoutMs)
  const offer = parseBankOffer(body)
  if (offer.ok) return offer.value
  throw new PaywallError(`${url.href} answers, but with no bank's offer: ${offer.detail}`)
}

async function read(url: URL, timeoutMs: number): Promise<string> {
  try {
    const response = await fetch(url, { redirect: 'error', signal: AbortSignal.timeout(timeoutMs) })
    const text = (await response.text()).slice(0, bankAnswerMax + 1)
    if (response.ok) return text
    throw new PaywallError(`${url.href} answers with status ${response.status}: is it the address of a bank?`)
  } catch (cause) {
    if (cause instanceof PaywallError) throw cause
    throw new PaywallError(`the bank at ${url.origin} does not answer: start it, or correct its address`, { cause })
  }
}

function addressOf(url: string): URL {
  const parsed = URL.canParse(url) ? new URL(bankPaths.offer, url) : undefined
  if (parsed?.protocol === 'http:' || parsed?.protocol === 'https:') return parsed
  throw new PaywallError(`the address of a bank starts with https:// or http://; '${url}' does not`)
}

function pinnedKey(key: string | Uint8Array): Uint8Array {
  if (typeof key !== 'string') return key
  if (/^[0-9a-f]{64}$/.test(key)) return fromHex(key)
  throw new PaywallError('the key of a bank is 64 hex digits, as its offer has it')
}
