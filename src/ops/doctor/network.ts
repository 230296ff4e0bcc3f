import { createServer } from 'node:net'
import { attachRegistry } from '../../chain/index.ts'
import { equal, toHex } from '../../crypto/bytes.ts'
import type * as Schnorr from '../../crypto/Schnorr.ts'
import { type BankOffer, bankAnswerMax, bankPaths, parseBankOffer } from '../../http/bank.ts'
import { reputationBody } from '../../http/bankAccounts.ts'
import { signQuery } from '../../http/bankQuery.ts'
import { unixSeconds } from '../../wire/amount.ts'
import { type BankAddress, type ChainConfig, type Listening, readSecret } from '../config/index.ts'
import { systemTime } from '../service/clock.ts'
import { type Finding, fault, fine, warning } from './finding.ts'

/** A port to listen on: free, or used by the very service, as its health says. */
export async function examineListening(
  about: string,
  { host, port }: Listening,
  ops: Listening,
): Promise<readonly Finding[]> {
  const at = `${host}:${port}`
  const open =
    isLoopback(host) || about.endsWith('ops')
      ? []
      : [
          warning(
            about,
            `${at} can be reached from outside`,
            'put a reverse proxy with TLS before it, and listen on 127.0.0.1',
          ),
        ]
  const taken = await isTaken(host, port)
  if (taken === undefined) return [fine(about, `${at} is free`), ...open]
  if (taken === 'EADDRINUSE') {
    const isRunning = await answersHealth(ops)
    return isRunning
      ? [fine(about, `${at}: the service runs`), ...open]
      : [fault(about, `${at} is used by another program`, 'stop it, or name another port'), ...open]
  }
  return [
    fault(about, `${at} cannot be had: ${taken}`, 'name an address of this machine, and a port from 1024 on'),
    ...open,
  ]
}

/** A bank as its customers see it: its key, its clock, what it takes, and what it thinks of this account. */
export async function examineBank(
  about: string,
  { key, url }: BankAddress,
  mine: {
    readonly account: Schnorr.KeyPair | undefined
    readonly network: string | undefined
    readonly asset: string | undefined
  },
): Promise<readonly Finding[]> {
  const started = Date.now()
  const offer = await offerOf(url)
  if (typeof offer === 'string') {
    return [
      fault(
        about,
        `${url}: ${offer}`,
        'is the bank running, and the address right? Nothing is lost before the deadlines',
      ),
    ]
  }
  const took = Date.now() - started
  if (!equal(offer.bank, key)) {
    return [fault(about, `${url} is bank ${toHex(offer.bank)}`, 'name its key, or the address of the bank you mean')]
  }
  const found: Finding[] = [fine(about, `${url} answers in ${took} ms`), examineOffset(about, offer.now)]
  const { network, asset, account } = mine
  const { rules } = offer
  if (network !== undefined && rules.network !== network) {
    found.push(fault(about, `it records on ${rules.network}, not on ${network}`, `set the network to ${rules.network}`))
  }
  if (asset !== undefined && !rules.assets.includes(asset)) {
    found.push(fault(about, `it takes ${rules.assets.join(', ')}, not ${asset}`, 'set the asset to one of them'))
  }
  if (account !== undefined) found.push(await examineAccount(about, account, url, offer))
  return found
}

/** The node and the contract of a bank that records on an EVM chain. */
export async function examineChain(about: string, chain: ChainConfig): Promise<readonly Finding[]> {
  const { kind, rpcUrl, chainId, registry, recorderKeyFile } = chain
  if (kind === 'embedded') return [fine(about, 'the bank’s own log')]
  if (rpcUrl === undefined || chainId === undefined || registry === undefined || recorderKeyFile === undefined)
    return []
  try {
    const attached = await attachRegistry({
      rpcUrl,
      chainId,
      registry,
      key: readSecret(recorderKeyFile),
      requestTimeoutMs: 5000,
    })
    return [
      fine(
        about,
        `chain ${chainId} answers; the registry has ${await attached.last()} batches, and the key may record`,
      ),
    ]
  } catch (error) {
    return [
      fault(
        about,
        error instanceof Error ? error.message : String(error),
        'records queue meanwhile, and nobody’s money waits for them',
      ),
    ]
  }
}

/** Two clocks that differ by more make openings fail; by much more, deadlines. */
function examineOffset(about: string, bankTime: bigint): Finding {
  const off = systemTime() - bankTime
  const size = off < 0n ? -off : off
  const detail = `this clock is ${size} s ${off < 0n ? 'behind' : 'ahead of'} the bank’s`
  if (size <= 5n) return fine(about, detail)
  const remedy = 'set the clock by NTP: timedatectl set-ntp true'
  return size > 60n ? fault(about, detail, remedy) : warning(about, detail, remedy)
}

async function offerOf(url: string): Promise<BankOffer | string> {
  try {
    const response = await fetch(new URL(bankPaths.offer, url), {
      signal: AbortSignal.timeout(5000),
      redirect: 'error',
    })
    const text = (await response.text()).slice(0, bankAnswerMax)
    if (!response.ok) return `it answers ${response.status}`
    const offer = parseBankOffer(text)
    return offer.ok ? offer.value : offer.detail
  } catch (error) {
    return error instanceof Error && error.name === 'TimeoutError' ? 'no answer within 5 s' : 'nothing answers there'
  }
}

/** A channel needs more than the bank's least reputation from both sides. */
async function examineAccount(
  about: string,
  account: Schnorr.KeyPair,
  url: string,
  { bank, now, rules }: BankOffer,
): Promise<Finding> {
  const name = toHex(account.publicKey)
  const response = await fetch(new URL(bankPaths.reputation(account.publicKey), url), {
    headers: { Authorization: signQuery(account, { bank, validUntil: unixSeconds(now + 60n) }) },
    signal: AbortSignal.timeout(5000),
    redirect: 'error',
  })
  if (response.status === 404) {
    return fault(about, `it knows no account ${name}`, 'have its operator register it: without, no channel is opened')
  }
  const answer = reputationBody.parse((await response.text()).slice(0, bankAnswerMax))
  if (!answer.ok)
    return fault(about, `what it says of account ${name} cannot be read: ${answer.detail}`, 'run a newer program')
  const { score } = answer.value
  const detail = `account ${name} has a reputation of ${score}`
  return score > rules.reputationAbove
    ? fine(about, detail)
    : fault(
        about,
        detail,
        `more than ${rules.reputationAbove} is needed: ask the bank for the causes; it recovers with time`,
      )
}

async function answersHealth({ host, port }: Listening): Promise<boolean> {
  try {
    const response = await fetch(`http://${host.includes(':') ? `[${host}]` : host}:${port}/healthz`, {
      signal: AbortSignal.timeout(2000),
    })
    return response.ok
  } catch {
    // Whatever has the port, it is not the service.
    return false
  }
}

/** The error of listening there, if any. */
function isTaken(host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
    server.listen(port, host, () => server.close(() => resolve(undefined)))
  })
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host.startsWith('127.')
}
