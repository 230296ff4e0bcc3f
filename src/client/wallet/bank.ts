import { equal, fromHex, toHex } from '../../crypto/bytes.ts'
import type * as Schnorr from '../../crypto/Schnorr.ts'
import {
  type BankOffer,
  bankAnswerMax,
  bankPaths,
  type ChannelList,
  type ChannelStatus,
  channelsBody,
  encodeBankOffer,
  parseBalances,
  parseBankOffer,
  parseCommandAnswer,
  signQuery,
} from '../../http/bank.ts'
import { type UnixSeconds, unixSeconds } from '../../wire/amount.ts'
import * as Command from '../../wire/Command.ts'
import type { Parsed } from '../../wire/parsed.ts'
import { RefusedError, UnansweredError } from '../errors.ts'
import type { WalletJournal } from '../journal/contract.ts'
import { type Fetch, get, post } from '../remote.ts'

/** The bank as a wallet deals with it. */
export interface BankDesk {
  readonly url: string
  readonly key: Uint8Array
  /** Public key of the account that this wallet has there. */
  readonly account: Uint8Array
  /** What it offered last; asked for again by `refresh`. */
  offer(): BankOffer
  /** Base units that can be put into channels. */
  balance(asset: string): Promise<bigint>
  /** Every channel that the account ever opened there. */
  channels(): Promise<readonly ChannelStatus[]>
  /** Asks for the funds of a channel whose deadline has passed: gives what came back. */
  expire(channelId: Uint8Array): Promise<bigint>
  /** Makes the account one that can open channels: its minimum deposit is locked. */
  register(asset: string): Promise<void>
  /** Asks for the offer and sets the clock by it. */
  refresh(): Promise<void>
  /** By the bank's clock, as far as it is known. */
  now(): UnixSeconds
}

export interface DeskOptions {
  readonly bank: { readonly url: string; readonly key: Uint8Array | undefined }
  readonly account: Schnorr.KeyPair
  readonly journal: WalletJournal
  /** Gives up by itself. */
  readonly ask: Fetch
  readonly now: () => UnixSeconds
  readonly random: (size: number) => Uint8Array
}

/**
 * Where the journal knows the bank, it need not answer now: payments over open channels go on without it. The key that it had
 * at first is held to: another one at this address is another bank.
 */
export async function openDesk(options: DeskOptions): Promise<BankDesk> {
  const { bank, account, journal, ask, random } = options
  const { url } = bank
  const name = `bank ${url}`
  const noted = await journal.recall(name)
  const known = noted === undefined ? undefined : readNote(url, noted)
  let offer = known?.offer ?? (await fetchBankOffer(ask, url))
  const key = bank.key ?? offer.bank
  /** Seconds by which the bank's clock is before this machine's. */
  let ahead = known?.ahead ?? 0n

  const take = async (fresh: BankOffer): Promise<void> => {
    assertKey(url, fresh.bank, key)
    offer = fresh
    const off = fresh.now - options.now()
    if (off - ahead > patience || ahead - off > patience) ahead = off
    const text = JSON.stringify({ offer: encodeBankOffer({ ...fresh, now: unixSeconds(0n) }), ahead: String(ahead) })
    if (text === noted) return
    await journal.note(name, text)
    await journal.note(lastBank, url)
  }
  const now = (): UnixSeconds => unixSeconds(options.now() + ahead)
  const own = (path: string): Promise<string> => {
    const authorization = signQuery(account, { bank: key, validUntil: unixSeconds(now() + 60n) })
    return get(ask, new URL(path, url).href, { sizeMax: bankAnswerMax, headers: { Authorization: authorization } })
  }
  const command = async (action: Command.Action): Promise<string> => {
    const { network } = offer.rules
    const signed = Command.sign(account, {
      bank: key,
      network,
      id: random(16),
      validUntil: unixSeconds(now() + 60n),
      action,
    })
    const body = await post(ask, new URL(bankPaths.command, url).href, Command.encode(signed), bankAnswerMax)
    return new TextDecoder().decode(body)
  }
  await (known === undefined ? take(offer) : assertKey(url, offer.bank, key))
  return {
    url,
    key,
    account: account.publicKey,
    offer: () => offer,
    now,
    async refresh() {
      await take(await fetchBankOffer(ask, url))
    },
    async balance(asset) {
      const { balances } = readable(url, parseBalances(await own(bankPaths.balance(account.publicKey))))
      return balances.get(asset) ?? 0n
    },
    async channels() {
      const found: ChannelStatus[] = []
      const path = `${bankPaths.channels(account.publicKey)}?role=client&limit=100`
      for (let next: string | undefined = ''; next !== undefined; ) {
        const before: string = next === '' ? '' : `&before=${encodeURIComponent(next)}`
        const page: ChannelList = readable(url, channelsBody.parse(await own(path + before)))
        found.push(...page.channels)
        next = page.next
      }
      return found
    },
    async expire(channelId) {
      const answer = readable(url, parseCommandAnswer(await command({ kind: 'expire', channelId })))
      return answer.action === 'expire' ? answer.refund : 0n
    },
    async register(asset) {
      await command({ kind: 'register', asset })
    },
  }
}

/** The note that names the bank which was used last. */
export const lastBank = 'bank'

/** The bank as `wallet` is given it. Throws TypeError for what is none. */
export function readBank(
  bank: string | { readonly url: string; readonly key: string | Uint8Array },
): DeskOptions['bank'] {
  const { url, key } = typeof bank === 'string' ? { url: bank, key: undefined } : bank
  if (!URL.canParse(url))
    throw new TypeError(`bank: ${JSON.stringify(url)} is no address, such as https://bank.example`)
  if (typeof key === 'string' && !/^[0-9a-f]{64}$/.test(key)) throw new TypeError('bank.key: expected 64 hex digits')
  return { url: new URL(url).origin, key: typeof key === 'string' ? fromHex(key) : key }
}

async function fetchBankOffer(ask: Fetch, url: string): Promise<BankOffer> {
  return readOffer(url, await get(ask, new URL(bankPaths.offer, url).href, { sizeMax: bankAnswerMax }))
}

function readOffer(url: string, text: string): BankOffer {
  return readable(url, parseBankOffer(text))
}

function readable<T>(url: string, answer: Parsed<T>): T {
  if (answer.ok) return answer.value
  throw new UnansweredError(`${url} answers no bank’s answer that can be read: ${answer.detail}`)
}

/** What the journal keeps of a bank: its offer, and how its clock goes. */
function readNote(url: string, note: string): { readonly offer: BankOffer; readonly ahead: bigint } {
  const { offer, ahead } = JSON.parse(note) as { offer: string; ahead: string }
  return { offer: readOffer(url, offer), ahead: BigInt(ahead) }
}

/** Seconds that two clocks may differ by and count as one. */
const patience = 10n

function assertKey(url: string, found: Uint8Array, key: Uint8Array): void {
  if (equal(found, key)) return
  const detail = `the bank at ${url} has the key ${toHex(found)}; this wallet holds to ${toHex(key)}`
  throw new RefusedError({ reason: 'BankMismatch', detail })
}
