import type { ChannelState, ProposedChannel, StoredPayment } from '../../../src/client/journal/contract.ts'
import type { Mark } from '../../../src/client/journal/mark.ts'
import type { MarkFile } from '../../../src/client/journal/markFile.ts'
import { readChannels, readPayments, readRetired } from '../../../src/client/journal/reads.ts'
import { schema } from '../../../src/client/journal/tasks.ts'
import type { Change } from '../../../src/client/journal/writes.ts'
import { toHex } from '../../../src/crypto/bytes.ts'
import type { Program } from '../../../src/sql/program.ts'
import { type Disk, type Image, leaveDisk, takeDisk } from '../engine/disk.ts'

/** One channel as a journal has it. */
export interface JournalFile {
  readonly proposed: Omit<ProposedChannel, 'channelKey' | 'channelSeed'>
  state: ChannelState | undefined
  readonly payments: Map<number, StoredPayment>
  isRetired: boolean
  /** Its bank has said what became of it. */
  isEnded: boolean
}

/** A client's journal on its disk, with the file that carries its generation on another. */
export interface JournalDisk {
  readonly disk: Disk
  readonly mark: MarkFile
  /** What is in the journal, by channel id in hex. */
  readonly files: Map<string, JournalFile>
  fileOf(channelId: Uint8Array): JournalFile | undefined
  /** Takes in what a task has written. */
  note(task: string, args: readonly unknown[]): JournalChange | undefined
  /** The generation file loses what was not synced. */
  losePower(): void
  /** Puts an older journal in the place of this one; the generation file stays. */
  restore(image: Image): void
  leave(): void
}

/** What a write was about. */
export interface JournalChange {
  /** In hex. */
  readonly channelId: string
  readonly payments: readonly StoredPayment[]
}

export function createJournalDisk(): JournalDisk {
  const disk = takeDisk(schema)
  const files = new Map<string, JournalFile>()
  let mark: Mark | undefined
  let synced: Mark | undefined
  const perform = <T>(steps: () => Program<T>): T => disk.runner.run({ mode: 'snapshot', steps }, []) as T

  return {
    disk,
    files,
    fileOf: (channelId) => files.get(toHex(channelId)),
    mark: {
      read: () => mark,
      write(to) {
        mark = to
        synced = to
      },
      open: () => ({
        note(commits) {
          if (mark !== undefined) mark = { ...mark, commits }
        },
        close: () => undefined,
      }),
    },
    note(task, args) {
      if (task === 'propose') {
        const proposed = args[1] as ProposedChannel
        const name = toHex(proposed.channelId)
        files.set(name, { proposed, state: undefined, payments: new Map(), isRetired: false, isEnded: false })
        return { channelId: name, payments: [] }
      }
      if (task === 'retire') for (const file of files.values()) file.isRetired = true
      if (task === 'end') files.get(toHex(args[1] as Uint8Array))!.isEnded = true
      if (task !== 'commit') return undefined
      const { channelId, state, payments } = args[1] as Change
      const name = toHex(channelId)
      const file = files.get(name)!
      file.state = state
      for (const payment of payments) file.payments.set(payment.index, payment)
      return { channelId: name, payments }
    },
    losePower() {
      mark = synced
    },
    restore(image) {
      // Somebody put it there: by then the other disk has what was written to it.
      synced = mark
      disk.load(image)
      files.clear()
      const live = perform(readChannels)
      for (const channel of [...live, ...perform(readRetired)]) {
        const payments = perform(() => readPayments(channel.channelId))
        files.set(toHex(channel.channelId), {
          proposed: channel,
          state: channel.state,
          payments: new Map(payments.map((payment) => [payment.index, payment])),
          isRetired: 'reason' in channel,
          isEnded: false,
        })
      }
    },
    leave: () => leaveDisk(schema, disk),
  }
}
