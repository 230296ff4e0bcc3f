import { equal, toHex } from '../../crypto/bytes.ts'
import { all, get, type Program, type Row } from '../../sql/program.ts'
import { bytes, count, damaged, integer, optional, text } from '../../sql/rows.ts'
import * as Terms from '../../wire/Terms.ts'
import type {
  Bought,
  ChannelState,
  EndedChannel,
  Outcome,
  RetiredChannel,
  StoredChannel,
  StoredPayment,
} from './contract.ts'
import { shardOf } from './shard.ts'

/** How old a journal is: see `mark.ts`. */
export interface Age {
  readonly generation: bigint
  readonly commits: bigint
}

export function* readAge(): Program<Age> {
  const row = yield* get('SELECT generation, commits FROM generations WHERE shard = 0')
  if (row === undefined) return damaged('the generation is missing')
  return { generation: integer(row, 'generation'), commits: integer(row, 'commits') }
}

export function* readChannels(): Program<readonly StoredChannel[]> {
  const rows = yield* all(
    `SELECT channels.*, channel_key, channel_seed FROM channels JOIN secrets USING (shard, channel_id)
       WHERE retired IS NULL AND ${notEnded} ORDER BY shard, channel_id`,
  )
  const states = yield* readStates()
  return rows.map((row) => ({
    ...openedOf(row, states),
    channelKey: bytes(row, 'channel_key'),
    channelSeed: bytes(row, 'channel_seed'),
  }))
}

export function* readRetired(): Program<readonly RetiredChannel[]> {
  const rows = yield* all(
    `SELECT * FROM channels WHERE ${notEnded} AND (retired IS NOT NULL OR NOT EXISTS (SELECT 1 FROM secrets
       WHERE secrets.shard = channels.shard AND secrets.channel_id = channels.channel_id)) ORDER BY shard, channel_id`,
  )
  const states = yield* readStates()
  return rows.map((row) => ({
    ...openedOf(row, states),
    reason: optional(text, row, 'retired') ?? 'it was restored from a backup, which has no keys',
  }))
}

export function* readEnded(): Program<readonly EndedChannel[]> {
  const rows = yield* all(
    `SELECT channels.*, status, settled, refund, returned FROM channels JOIN outcomes USING (shard, channel_id)
       ORDER BY shard, channel_id`,
  )
  const states = yield* readStates()
  return rows.map((row) => ({ ...openedOf(row, states), outcome: outcomeOf(row) }))
}

export function* readPayments(channelId: Uint8Array): Program<readonly StoredPayment[]> {
  const rows = yield* all('SELECT * FROM payments WHERE shard = :shard AND channel_id = :channelId ORDER BY number', {
    shard: shardOf(channelId),
    channelId,
  })
  return rows.map(paymentOf)
}

const notEnded = `NOT EXISTS (SELECT 1 FROM outcomes
  WHERE outcomes.shard = channels.shard AND outcomes.channel_id = channels.channel_id)`

function outcomeOf(row: Row): Outcome {
  return {
    status: text(row, 'status') as Outcome['status'],
    settled: integer(row, 'settled'),
    refund: integer(row, 'refund'),
    returned: integer(row, 'returned'),
  }
}

export function* readNote(name: string): Program<string | undefined> {
  const row = yield* get('SELECT value FROM notes WHERE shard = 0 AND name = :name', { name })
  return row && text(row, 'value')
}

function* readStates(): Program<ReadonlyMap<string, ChannelState>> {
  const rows = yield* all('SELECT * FROM states')
  return new Map(rows.map((row) => [toHex(bytes(row, 'channel_id')), stateOf(row)]))
}

/** A channel whose terms do not give its id has been changed on the disk. */
function openedOf(
  row: Row,
  states: ReadonlyMap<string, ChannelState>,
): Omit<StoredChannel, 'channelKey' | 'channelSeed'> {
  const channelId = bytes(row, 'channel_id')
  const terms = bytes(row, 'terms')
  if (!equal(Terms.channelId(terms), channelId)) return damaged('the terms of a channel are not those it is named for')
  return {
    channelId,
    vendorUrl: text(row, 'vendor_url'),
    bankUrl: text(row, 'bank_url'),
    terms,
    open: bytes(row, 'open'),
    state: states.get(toHex(channelId)),
  }
}

function stateOf(row: Row): ChannelState {
  return {
    opened: bytes(row, 'opened'),
    index: count(row, 'number'),
    transcript: bytes(row, 'transcript'),
    receipt: bytes(row, 'receipt'),
    paid: integer(row, 'paid'),
    segment: {
      number: count(row, 'segment'),
      base: integer(row, 'base'),
      unitPrice: integer(row, 'unit_price'),
      length: count(row, 'length'),
      index: count(row, 'since'),
      step: count(row, 'step'),
    },
    checkpoint: optional(bytes, row, 'checkpoint'),
    agreed: integer(row, 'agreed'),
    acknowledged: integer(row, 'acknowledged'),
    frozen: optional(text, row, 'frozen'),
    closing: optional(bytes, row, 'closing'),
    release: optional(bytes, row, 'release'),
    today: { day: integer(row, 'day'), before: integer(row, 'paid_before') },
  }
}

function paymentOf(row: Row): StoredPayment {
  return {
    index: count(row, 'number'),
    price: integer(row, 'price'),
    frame: bytes(row, 'frame'),
    checkpoint: optional(bytes, row, 'checkpoint'),
    core: bytes(row, 'core'),
    receipt: bytes(row, 'receipt'),
    bought: boughtOf(row),
    charged: optional(integer, row, 'charged'),
  }
}

function boughtOf(row: Row): Bought | undefined {
  const method = optional(text, row, 'method')
  return method === undefined ? undefined : { method, target: text(row, 'target') }
}
