import { bankAnswerMax, bankPaths, parseBankOffer } from '../http/bank.ts'
import type { UnixSeconds } from '../wire/amount.ts'
import type { BankTime } from './bankTime.ts'

/**
 * Asks the banks for their time, of which the latest counts. `onPutRight` hears of a clock that was wrong by more than a minute.
 * Rejects where no bank answers: then time goes on as it did.
 */
export async function hearBanks(
  time: BankTime,
  banks: readonly { readonly url: string }[],
  onPutRight: (seconds: bigint) => void,
): Promise<void> {
  const answers = await Promise.allSettled(banks.map(({ url }) => timeAt(url)))
  const times = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []))
  const [first, ...others] = times
  if (first === undefined) {
    throw new Error('no bank says what time it is: deadlines go by this machine’s clock', {
      cause: firstCause(answers),
    })
  }
  const ahead = time.hear(others.reduce((latest, one) => (one > latest ? one : latest), first))
  const apart = ahead < 0n ? -ahead : ahead
  if (apart > apartMax) onPutRight(ahead)
}

/** Seconds by which a clock may be wrong before anybody hears of it. */
const apartMax = 60n
const timeoutMs = 5000

async function timeAt(url: string): Promise<UnixSeconds> {
  const response = await fetch(new URL(bankPaths.offer, url), {
    redirect: 'error',
    signal: AbortSignal.timeout(timeoutMs),
  })
  const offer = parseBankOffer((await response.text()).slice(0, bankAnswerMax + 1))
  if (!offer.ok) throw new Error(`${url} has no offer that can be read: ${offer.detail}`)
  return offer.value.now
}

function firstCause(answers: readonly PromiseSettledResult<UnixSeconds>[]): unknown {
  const failed = answers.find((answer) => answer.status === 'rejected')
  return failed?.reason
}
