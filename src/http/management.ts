import { sizes } from '../wire/kinds.ts'
import type { Parsed } from '../wire/parsed.ts'
import { bytesOf, object, parseJson, whole } from './json.ts'

/** Paths under a vendor's address, beside those it sells: all of them `POST`. Design 3.10. */
export const managementPaths = {
  /** An ask of 34 bytes, a checkpoint or an attachment in its headers; its answer is a statement or a closing. */
  ask: '/lockstep/ask',
  /** A payment alone, in the headers of a paid request; its answer is a statement about it. */
  resend: '/lockstep/resend',
  /** A release of 268 bytes; its answer is `Released`. */
  release: '/lockstep/release',
  /** Messages for a stream of events: see `events.ts`; no content is the answer. */
  stream: '/lockstep/stream',
} as const

/** What a vendor says to a release that opened every receipt. */
export interface Released {
  readonly channelId: Uint8Array
  readonly receiptsOpened: number
}

/** The most characters of JSON that are read as an answer to a release. */
export const releasedSizeMax = 1024

export function parseReleased(body: string): Parsed<Released> {
  return parseJson(body, { what: 'answer to a release', sizeMax: releasedSizeMax }, (value) => {
    const json = object(value, 'answer')
    return {
      channelId: bytesOf(json.channelId, 'channelId', sizes.hash),
      receiptsOpened: whole(json.receiptsOpened, 'receiptsOpened'),
    }
  })
}
