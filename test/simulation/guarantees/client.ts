import { toHex } from '../../../src/crypto/bytes.ts'
import type { ClientParty } from '../parties/client.ts'
import type { JournalChange } from '../parties/journal.ts'
import { meetChannel, type Truth } from './truth.ts'

/** What came to a client's journal: G3, and that it signs one transaction for an index. */
export function checkJournal(
  truth: Truth,
  client: ClientParty,
  { channelId: id, payments: made }: JournalChange,
): void {
  const { ground } = truth
  const channel = meetChannel(truth, client, id)
  const { state, payments, isRetired } = client.disk.files.get(id)!
  for (const payment of made) {
    const isOver = channel.isReleased && !client.plan.isByzantine
    if (isOver) ground.violate('G8', `${client.name} signs payment ${payment.index} after its release`)
    const { index } = payment
    const core = toHex(payment.core)
    const known = channel.cores.get(index)
    // What a journal that was put back forgot, and nobody had seen, was never made.
    if (known === undefined || !channel.sent.has(index)) channel.cores.set(index, core)
    else if (known !== core) ground.violate('G8', `${client.name} made two payments ${index}`)
  }
  if (state !== undefined && state.paid > channel.revealed) channel.revealed = state.paid
  channel.isReleased ||= state?.release !== undefined
  if (state === undefined || client.plan.isByzantine) return
  if (isRetired) ground.violate('G8', `${client.name} goes on with a channel of an old journal`)
  const { paid, acknowledged, agreed, frozen } = state
  if (state.index !== payments.size) {
    ground.violate('G10', `${client.name} counts ${state.index} payments; its journal has ${payments.size}`)
  }
  if (paid > channel.funds) ground.violate('G3', `${client.name} revealed ${paid} of ${channel.funds}`)
  if (acknowledged > agreed) ground.violate('G3', `${client.name} acknowledged ${acknowledged}, agreed to ${agreed}`)
  if (acknowledged > paid) ground.violate('G3', `${client.name} acknowledged ${acknowledged}, paid ${paid}`)
  // Stated, or settled at the bank: then there is nothing to accuse anybody of.
  const isOver = state.closing !== undefined || frozen?.endsWith('ended at its bank') === true
  if (frozen !== undefined && !isOver && !channel.vendor.plan.isByzantine && !channel.isRolledBack) {
    ground.violate('G8', `${client.name} accuses an honest vendor: ${frozen}`)
  }
}
