/** Where a page of a list ends, as text for whoever asks for the next one. */

import { fromHex, toHex } from '../crypto/bytes.ts'
import type { ChannelCursor, JournalCursor } from './store/contract.ts'

interface CursorFormat<Cursor> {
  encode(cursor: Cursor): string
  /** `undefined` for what this bank never gave. */
  parse(text: string): Cursor | undefined
}

export const journalCursor: CursorFormat<JournalCursor> = {
  encode: ({ at, kind, reference, line, side }) => `${at}.${kind}.${toHex(reference)}.${line}.${side}`,
  parse(text) {
    const [, at, kind, reference, line, side] =
      /^([0-9]{1,18})\.([a-z]{1,20})\.([0-9a-f]{64})\.([0-9]{1,4})\.([01])$/.exec(text) ?? []
    if (at === undefined || kind === undefined || reference === undefined) return undefined
    return { at: BigInt(at), kind, reference: fromHex(reference), line: Number(line), side: Number(side) }
  },
}

export const channelCursor: CursorFormat<ChannelCursor> = {
  encode: ({ openedAt, channelId }) => `${openedAt}.${toHex(channelId)}`,
  parse(text) {
    const [, openedAt, channelId] = /^([0-9]{1,18})\.([0-9a-f]{64})$/.exec(text) ?? []
    if (openedAt === undefined || channelId === undefined) return undefined
    return { openedAt: BigInt(openedAt), channelId: fromHex(channelId) }
  },
}

export const numberCursor: CursorFormat<number> = {
  encode: String,
  parse: (text) => (/^[1-9][0-9]{0,14}$/.test(text) ? Number(text) : undefined),
}
