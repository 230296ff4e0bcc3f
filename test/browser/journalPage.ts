/** A page that opens a journal for a test that calls its methods. */

import type { OpenedJournal } from '../../src/client/journal/contract.ts'
import { openIndexedDbJournal } from '../../src/client/journal/indexedDb.ts'
import { get, openDatabase, transact } from '../../src/client/journal/indexedDbRequests.ts'

/** What a call gave; an error, which would lose its fields on the way out. */
export type Outcome =
  | { readonly value: unknown }
  | { readonly error: { readonly name: string; readonly message: string; readonly fault: unknown } }

let journal: OpenedJournal | undefined

const actions: Readonly<Record<string, (...values: never[]) => Promise<unknown>>> = {
  async open() {
    journal = await openIndexedDbJournal({ name: 'test' })
    return { generation: journal.generation, stale: journal.stale }
  },
  channels: async () => journal!.channels(),
  retired: async () => journal!.retired(),
  ended: async () => journal!.ended(),
  end: async (channelId, outcome) => journal!.end(channelId, outcome),
  payments: async (channelId) => journal!.payments(channelId),
  propose: async (proposed) => journal!.propose(proposed),
  commit: async (channelId, state, payment, answered) => journal!.commit(channelId, state, payment, answered),
  recall: async (name) => journal!.recall(name),
  note: async (name, value) => journal!.note(name, value),
  close: async () => journal!.close(),
  /** Puts back what `entries` gave. */
  async restore(name: string, stores: Record<string, { key: IDBValidKey; value: unknown }[]>) {
    const database = await openDatabase(name, [])
    try {
      const names = [...database.objectStoreNames]
      await transact(database, names, 'readwrite', async (transaction) => {
        for (const store of names) {
          await get(transaction.objectStore(store).clear())
          for (const { key, value } of stores[store] ?? []) await get(transaction.objectStore(store).put(value, key))
        }
      })
    } finally {
      database.close()
    }
  },
  /** All that a database holds, a store at a time. */
  async entries(name: string) {
    const database = await openDatabase(name, [])
    try {
      const names = [...database.objectStoreNames]
      return await transact(database, names, 'readonly', async (transaction) =>
        Object.fromEntries(
          await Promise.all(
            names.map(async (store) => {
              const place = transaction.objectStore(store)
              const [keys, values] = await Promise.all([get(place.getAllKeys()), get(place.getAll())])
              return [store, keys.map((key, at) => ({ key, value: values[at] as unknown }))]
            }),
          ),
        ),
      )
    } finally {
      database.close()
    }
  },
}

async function call(name: string, values: readonly unknown[]): Promise<Outcome> {
  try {
    return { value: await actions[name]!(...(values as never[])) }
  } catch (error) {
    const { name: kind, message, fault } = error as Error & { fault?: unknown }
    return { error: { name: kind, message: `${kind}: ${message}`, fault } }
  }
}

Object.assign(globalThis, { call })
