import { bankPaths, commandType, parseCommandAnswer } from '../../../src/http/bank.ts'
import { release } from '../../../src/vendor/closing.ts'
import type { VendorDatabase } from '../../../src/vendor/store/contract.ts'
import { amount, unixSeconds } from '../../../src/wire/amount.ts'
import * as Command from '../../../src/wire/Command.ts'
import * as Terms from '../../../src/wire/Terms.ts'
import type { Place } from './bank.ts'
import { asset, identityOf, network as networkName, urlOf } from './cast.ts'
import type { ClientParty } from './client.ts'
import { isExpected } from './faults.ts'
import type { VendorParty } from './vendor.ts'

/** What a party does about one of its channels where no part of its own program does. A client's is `expire`. */
export type Errand = 'expire' | 'leaveClosing' | 'fetchRelease' | 'withdraw' | 'forget'

/** Runs an errand in the party's program. Nothing waits for it. `withdrawn`: how much, where it withdraws. */
export function runErrand(
  place: Place,
  party: ClientParty | VendorParty,
  errand: Errand,
  channelId: Uint8Array,
  withdrawn = 1n,
): void {
  const work =
    'till' in party
      ? errandOfVendor(place, party, { errand, channelId, withdrawn })
      : errandOfClient(place, party, errand, channelId)
  work.catch((error: unknown) => isExpected(error, `${party.name} ${errand}`, place.ground))
}

/** Asks for what is in a channel, whatever became of it. */
async function errandOfClient(place: Place, party: ClientParty, errand: Errand, channelId: Uint8Array): Promise<void> {
  if (errand === 'expire') await command(place, party.name, { kind: 'expire', channelId })
}

async function errandOfVendor(
  place: Place,
  party: VendorParty,
  asked: { readonly errand: Errand; readonly channelId: Uint8Array; readonly withdrawn: bigint },
): Promise<void> {
  const { errand, channelId, withdrawn } = asked
  const { till, closing } = party
  if (errand === 'forget') {
    const isGone = await (closing.store as VendorDatabase).forget(channelId, place.ground.clockOf(party.name))
    if (isGone) place.ground.count('job: forgotten')
    return
  }
  if (errand === 'withdraw') {
    const destination = new Uint8Array(32)
    await command(place, party.name, { kind: 'withdraw', asset, amount: amount(withdrawn), destination })
  }
  const found = await till.find(Terms.reference(channelId), undefined)
  if (!found.ok) return
  const { held } = found
  if (errand === 'leaveClosing' && held.closing !== undefined) await send(place, bankPaths.closing, held.closing)
  if (errand !== 'fetchRelease' || held.closing === undefined) return
  const answer = await command(place, party.name, { kind: 'fetchRelease', channelId })
  const parsed = parseCommandAnswer(await answer.text())
  if (!parsed.ok || parsed.value.action !== 'fetchRelease') return
  const opened = await release(closing, held, parsed.value.release)
  if (opened.ok) place.ground.count('close: release from the bank')
}

async function command({ ground, network }: Place, party: string, action: Command.Action): Promise<Response> {
  const { key } = identityOf(party)
  const bank = identityOf('bank').key.publicKey
  const validUntil = unixSeconds(ground.clockOf(party) + 120n)
  const signed = Command.sign(key, { bank, network: networkName, id: ground.randomOf(party)(16), validUntil, action })
  return network.fetch(urlOf('bank') + bankPaths.command, {
    method: 'POST',
    headers: { 'Content-Type': commandType },
    body: Command.encode(signed),
  })
}

function send({ network }: Place, path: string, body: Uint8Array): Promise<Response> {
  const headers = { 'Content-Type': commandType }
  return network.fetch(urlOf('bank') + path, { method: 'POST', headers, body: new Uint8Array(body) })
}
