import { equal, toHex } from '../../crypto/bytes.ts'
import { StoreError } from '../../sql/storeError.ts'
import * as Terms from '../../wire/Terms.ts'
import type {
  Answered,
  ChannelState,
  OpenedJournal,
  Outcome,
  ProposedChannel,
  StoredChannel,
  StoredPayment,
} from './contract.ts'
import { explained, get, openDatabase, transact } from './indexedDbRequests.ts'
import { agrees, generationAfter, type Mark, stale } from './mark.ts'
import type { Age } from './reads.ts'

export interface OpenIndexedDbOptions {
  /** Of the database, and of the lock that only one page of an origin holds. */
  readonly name?: string
}

/**
 * Opens the journal of a wallet in a page, for that page alone: the Web Locks API is the process lock, and lets go of it
 * when the page ends, however it ends. Every commit is one transaction with `durability: 'strict'`. Design 3.6, 3.10.
 *
 * The generation is kept in a second database. A profile that was copied or set back brings both, so that only the vendor's
 * highest coin can show it: see `PayingChannel`.
 *
 * Throws {@link StoreError}: `held` while another page has it open, `unreachable` where the browser keeps no data.
 */
export async function openIndexedDbJournal(options: OpenIndexedDbOptions = {}): Promise<OpenedJournal> {
  const { name = 'lockstep' } = options
  const unlock = await lock(name)
  const opened: IDBDatabase[] = []
  const closeAll = (): void => {
    for (const database of opened) database.close()
    unlock()
  }
  try {
    const journal = await openDatabase(name, stores)
    opened.push(journal)
    const marks = await openDatabase(`${name}.generation`, ['marks'])
    opened.push(marks)
    const { generation, isNewest } = await startGeneration(journal, marks)
    return journalOf(journal, { marks, generation, stale: isNewest ? undefined : stale, close: closeAll })
  } catch (error) {
    closeAll()
    throw explained(error, name)
  }
}

/** `channels` and `states` by the channel's id in hex, `payments` by that and their index, `notes` by name; `ages` has one row. */
const stores = ['channels', 'states', 'payments', 'notes', 'ages'] as const

interface ChannelRow extends ProposedChannel {
  /** Why nothing is signed on it any more, if so. Its secrets are gone then. */
  readonly retired?: string
  /** Once it has ended. */
  readonly outcome?: Outcome
}

interface Started {
  readonly marks: IDBDatabase
  readonly generation: bigint
  readonly stale: string | undefined
  readonly close: () => void
}

function journalOf(database: IDBDatabase, { marks, generation, stale, close }: Started): OpenedJournal {
  const write = async (change: (transaction: IDBTransaction) => Promise<void>): Promise<void> => {
    let commits = 0n
    await transact(database, stores, 'readwrite', async (transaction) => {
      commits = await countCommit(transaction, generation)
      await change(transaction)
    })
    // A mark that lags is still right: the journal has the commit.
    writeMark(marks, { generation, next: generation, commits }, 'relaxed').catch(() => undefined)
  }
  return {
    generation,
    stale,
    channels: () => transact(database, ['channels', 'states'], 'readonly', readChannels),
    retired: () =>
      transact(database, ['channels', 'states'], 'readonly', async (transaction) => {
        const rows = await readRows(transaction)
        return rows.flatMap(({ row: { retired, outcome, ...row }, state }) =>
          retired === undefined || outcome !== undefined ? [] : [{ ...withoutSecrets(row), state, reason: retired }],
        )
      }),
    ended: () =>
      transact(database, ['channels', 'states'], 'readonly', async (transaction) => {
        const rows = await readRows(transaction)
        return rows.flatMap(({ row: { retired: _retired, outcome, ...row }, state }) =>
          outcome === undefined ? [] : [{ ...withoutSecrets(row), state, outcome }],
        )
      }),
    payments: (channelId) =>
      transact(database, ['payments'], 'readonly', async (transaction) => {
        const id = toHex(channelId)
        const range = IDBKeyRange.bound([id, 0], [id, Number.POSITIVE_INFINITY])
        return get<StoredPayment[]>(transaction.objectStore('payments').getAll(range))
      }),
    propose: (proposed) =>
      write(async (transaction) => {
        await get(transaction.objectStore('channels').add(proposed, toHex(proposed.channelId)))
      }),
    commit: (channelId, state, payments = [], answered = []) =>
      write((transaction) => writeChange(transaction, { id: toHex(channelId), state, payments, answered })),
    end: (channelId, outcome) =>
      write(async (transaction) => {
        const channels = transaction.objectStore('channels')
        const row = await get<ChannelRow | undefined>(channels.get(toHex(channelId)))
        if (row !== undefined) await get(channels.put({ outcome, ...row }, toHex(channelId)))
      }),
    recall: (name) =>
      transact(database, ['notes'], 'readonly', (transaction) =>
        get<string | undefined>(transaction.objectStore('notes').get(name)),
      ),
    note: (name, value) =>
      write(async (transaction) => {
        await get(transaction.objectStore('notes').put(value, name))
      }),
    async close() {
      close()
    },
  }
}

async function startGeneration(
  journal: IDBDatabase,
  marks: IDBDatabase,
): Promise<{ readonly generation: bigint; readonly isNewest: boolean }> {
  const age = await transact(journal, ['ages'], 'readonly', readAge)
  const mark = await transact(marks, ['marks'], 'readonly', (transaction) =>
    get<Mark | undefined>(transaction.objectStore('marks').get(only)),
  )
  const generation = generationAfter(age, mark)
  const isNewest = agrees(age, mark)
  let retired = 0
  // The mark first names both generations, then the journal takes the next one, then the mark names that alone.
  await writeMark(marks, { generation: age.generation, next: generation, commits: age.commits }, 'strict')
  await transact(journal, stores, 'readwrite', async (transaction) => {
    if (!isNewest) retired = await retireChannels(transaction)
    await get(transaction.objectStore('ages').put({ generation, commits: age.commits }, only))
  })
  await writeMark(marks, { generation, next: generation, commits: age.commits }, 'strict')
  return { generation, isNewest: isNewest || retired === 0 }
}

async function writeMark(marks: IDBDatabase, mark: Mark, durability: 'strict' | 'relaxed'): Promise<void> {
  const write = (transaction: IDBTransaction): Promise<unknown> => get(transaction.objectStore('marks').put(mark, only))
  await transact(marks, ['marks'], 'readwrite', write, durability)
}

/** The key of the one row of a store that has one. */
const only = 0

async function readAge(transaction: IDBTransaction): Promise<Age> {
  const age = await get<Age | undefined>(transaction.objectStore('ages').get(only))
  return age ?? { generation: 0n, commits: 0n }
}

/** Gives the number of this commit. Whoever writes under an older generation is refused. */
async function countCommit(transaction: IDBTransaction, generation: bigint): Promise<bigint> {
  const age = await readAge(transaction)
  if (age.generation !== generation) {
    throw new StoreError('Another page has opened this journal since. Nothing was written: close one of the two.', {
      fault: 'held',
    })
  }
  const commits = age.commits + 1n
  await get(transaction.objectStore('ages').put({ generation, commits }, only))
  return commits
}

interface Change {
  readonly id: string
  readonly state: ChannelState
  readonly payments: readonly StoredPayment[]
  readonly answered: readonly Answered[]
}

async function writeChange(transaction: IDBTransaction, { id, state, ...change }: Change): Promise<void> {
  const payments = transaction.objectStore('payments')
  for (const payment of change.payments) await get(payments.add(payment, [id, payment.index]))
  // From the payment before these to the last: none is counted that is not here, and could not be resent.
  const from = Math.max(1, (change.payments[0]?.index ?? state.index) - 1)
  const [channel, known, stored] = await Promise.all([
    get<ChannelRow | undefined>(transaction.objectStore('channels').get(id)),
    get<ChannelState | undefined>(transaction.objectStore('states').get(id)),
    get(payments.count(IDBKeyRange.bound([id, from], [id, Math.max(from, state.index)]))),
  ])
  if (channel === undefined || channel.retired !== undefined || channel.outcome !== undefined) {
    throw new Error('nothing is signed on a channel that is retired, ended or unknown')
  }
  if (known !== undefined && !follows(state, known)) {
    throw new Error('the journal holds a newer state of this channel: is another page using it?')
  }
  if (stored < state.index - from + 1) {
    throw new StoreError(`A payment before ${state.index}, or it, could not be stored, and so nothing after that is.`)
  }
  const frozen = state.frozen ?? known?.frozen
  await get(transaction.objectStore('states').put({ ...state, frozen }, id))
  for (const { index, charged } of change.answered) {
    const paid = await get<StoredPayment | undefined>(payments.get([id, index]))
    if (paid !== undefined) await get(payments.put({ ...paid, charged }, [id, index]))
  }
}

/** An older state never replaces a newer one: a revealed coin stays revealed. */
function follows(state: ChannelState, known: ChannelState): boolean {
  return state.index >= known.index && state.paid >= known.paid && state.agreed >= known.agreed
}

async function retireChannels(transaction: IDBTransaction): Promise<number> {
  const channels = transaction.objectStore('channels')
  const rows = (await get<ChannelRow[]>(channels.getAll())).filter(
    ({ retired, outcome }) => retired === undefined && outcome === undefined,
  )
  const none = new Uint8Array(32)
  for (const row of rows) {
    // The secrets go: nothing will be signed with them.
    await get(channels.put({ ...row, channelKey: none, channelSeed: none, retired: stale }, toHex(row.channelId)))
  }
  return rows.length
}

async function readChannels(transaction: IDBTransaction): Promise<readonly StoredChannel[]> {
  const rows = await readRows(transaction)
  return rows.flatMap(({ row: { retired, outcome, ...channel }, state }) =>
    retired === undefined && outcome === undefined ? [{ ...channel, state }] : [],
  )
}

function withoutSecrets({
  channelKey: _key,
  channelSeed: _seed,
  ...channel
}: ProposedChannel): Omit<ProposedChannel, 'channelKey' | 'channelSeed'> {
  return channel
}

/** A channel whose terms do not give its id was changed by something else. */
async function readRows(
  transaction: IDBTransaction,
): Promise<readonly { readonly row: ChannelRow; readonly state: ChannelState | undefined }[]> {
  const states = transaction.objectStore('states')
  const rows = await get<ChannelRow[]>(transaction.objectStore('channels').getAll())
  return Promise.all(
    rows.map(async (row) => {
      if (!equal(Terms.channelId(row.terms), row.channelId)) {
        throw new StoreError('The journal is damaged: the terms of a channel are not those it is named for.', {
          fault: 'damaged',
        })
      }
      return { row, state: await get<ChannelState | undefined>(states.get(toHex(row.channelId))) }
    }),
  )
}

/** Takes the lock of this name, and gives what lets go of it. */
function lock(name: string): Promise<() => void> {
  // Only a page of a secure context has it.
  const locks = globalThis.navigator?.locks as LockManager | undefined
  if (locks === undefined) {
    const advice = 'Serve the page over https, or from localhost, to a browser with the Web Locks API.'
    throw new StoreError(`No lock for the wallet’s journal. ${advice}`, { fault: 'unreachable' })
  }
  return new Promise((resolve, reject) => {
    const hold = (): Promise<void> => new Promise((release) => resolve(release))
    locks
      .request(`lockstep journal ${name}`, { signal: AbortSignal.timeout(patienceMs) }, hold)
      .catch((cause: unknown) => {
        const advice = 'Close it first: two would spend the same coins.'
        reject(new StoreError(`Another page has the wallet ${name} open. ${advice}`, { cause, fault: 'held' }))
      })
  })
}

/** A page that was closed or reloaded just now may still have the lock for a moment. */
const patienceMs = 1000
