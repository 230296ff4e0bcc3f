import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { equal, fromHex, toHex } from '../../crypto/bytes.ts'
import { type BankOffer, bankAnswerMax, bankPaths, encodeBankOffer, parseBankOffer } from '../../http/bank.ts'
import { parseAsset } from '../../wire/amount.ts'
import type { BankTime } from '../bankTime.ts'
import { PaywallError } from './errors.ts'
import type { PaywallLogger } from './types.ts'

/** Where a bank is, and the key that it has to have. Without one, whoever answers there is believed at the first start. */
export type BankOption = string | { readonly url: string; readonly key?: string | Uint8Array }

/** A bank that answered. */
export interface KnownBank {
  readonly url: string
  readonly key: Uint8Array
  readonly offer: BankOffer
}

/**
 * Asks banks for their offers, and keeps what they say beside the vendor's key: a bank that is away later does not keep a
 * vendor from starting, and one that comes back with another key is not believed. Throws {@link PaywallError}.
 */
export async function learnBanks(
  options: readonly BankOption[],
  { keptIn, timeoutMs, time, logger }: LearnOptions,
): Promise<readonly KnownBank[]> {
  const path = keptIn === undefined ? undefined : `${keptIn}.banks.json`
  const kept = await readKept(path)
  const banks = await Promise.all(
    options.map(async (option): Promise<KnownBank> => {
      const { url, key } = typeof option === 'string' ? { url: option, key: undefined } : option
      const before = kept.get(url)
      const pinned = key === undefined ? before?.bank : pinnedKey(key)
      const offer = await ask(addressOf(url), timeoutMs).catch((error: unknown) => {
        if (before === undefined || !(error instanceof BankAwayError)) throw error
        logger.warn(`${error.message}. This vendor goes on with what it said last; channels open once it is back`)
        return undefined
      })
      if (offer !== undefined) time.hear(offer.now)
      const { bank } = offer ?? before!
      if (pinned === undefined || equal(bank, pinned)) return { url, key: bank, offer: offer ?? before! }
      throw new PaywallError(
        `the bank at ${url} has the key ${toHex(bank)}, not ${toHex(pinned)}: this is another bank, or somebody in between`,
      )
    }),
  )
  if (path !== undefined) await keep(path, banks)
  return banks
}

interface LearnOptions {
  /** The file of the vendor's key, where there is one. */
  readonly keptIn: string | undefined
  readonly timeoutMs: number
  readonly time: BankTime
  readonly logger: PaywallLogger
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
    throw new BankAwayError(`the bank at ${url.origin} does not answer: start it, or correct its address`, { cause })
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

class BankAwayError extends PaywallError {}

/** What banks said last, by their addresses. A file that cannot be read tells nothing. */
async function readKept(path: string | undefined): Promise<ReadonlyMap<string, BankOffer>> {
  const kept = new Map<string, BankOffer>()
  if (path === undefined) return kept
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '{}'
    throw new PaywallError(`${path}, where the bank's key is kept, cannot be read: may this user read it?`, {
      cause: error,
    })
  })
  for (const [url, offer] of Object.entries(entriesIn(text, path))) {
    const parsed = parseBankOffer(JSON.stringify(offer))
    if (parsed.ok) kept.set(url, parsed.value)
  }
  return kept
}

function entriesIn(text: string, path: string): object {
  try {
    return JSON.parse(text) as object
  } catch (cause) {
    throw new PaywallError(
      `${path}, where the bank's key is kept, is damaged: remove it if the bank is the right one`,
      {
        cause,
      },
    )
  }
}

/** Written beside and moved into place: a crash leaves the old one or the new one. */
async function keep(path: string, banks: readonly KnownBank[]): Promise<void> {
  const offers = Object.fromEntries(banks.map(({ url, offer }) => [url, JSON.parse(encodeBankOffer(offer)) as unknown]))
  try {
    await mkdir(dirname(path), { recursive: true })
    await writeFile(`${path}.new`, `${JSON.stringify(offers, undefined, 2)}\n`, { mode: 0o600 })
    await rename(`${path}.new`, path)
  } catch (cause) {
    throw new PaywallError(`${path} cannot be written: may this user write there?`, { cause })
  }
}
