import { toHex } from '../../../src/crypto/bytes.ts'
import { bankPaths } from '../../../src/http/bank.ts'
import { parseBase64url } from '../../../src/wire/base64url.ts'
import * as Open from '../../../src/wire/Open.ts'
import * as Terms from '../../../src/wire/Terms.ts'
import type { Answer, Message } from '../engine/network.ts'
import type { Ground, Guarantee } from '../engine/world.ts'
import { identityOf } from '../parties/cast.ts'
import type { ClientParty } from '../parties/client.ts'
import type { JournalChange } from '../parties/journal.ts'

/** Bytes that may not be on the wire. */
interface Secret {
  readonly bytes: Uint8Array
  readonly what: string
  readonly guarantee: Guarantee
  /** Whether it may travel now, to or from this host. */
  readonly isPublic: (host: string) => boolean
}

/** Watches the wire for what nobody may learn: G6, G9. Whoever records everything can only use what is there. */
export interface SecretWatch {
  /** Takes in what a client's journal has now. */
  learn(client: ClientParty, change: JournalChange): void
  /** Looks at a message of an honest party as it leaves. */
  look(message: Message, answer?: Answer): void
  scan(bytes: Uint8Array, host: string): void
}

export function watchSecrets(ground: Ground, isClosed: (channelId: string) => boolean): SecretWatch {
  const secrets = new Map<number, Secret[]>()
  const identities = new Map<string, string>()
  const known = new Set<string>()

  const keep = (secret: Secret): void => {
    const name = toHex(secret.bytes)
    if (known.has(name)) return
    known.add(name)
    const start = startOf(secret.bytes, 0)
    secrets.set(start, [...(secrets.get(start) ?? []), secret])
  }
  const scan = (bytes: Uint8Array, host: string): void => {
    for (let at = 0; at + secretSize <= bytes.length; at++) {
      const found = secrets.get(startOf(bytes, at))
      if (found === undefined) continue
      for (const { bytes: secret, what, guarantee, isPublic } of found) {
        const isHere = Buffer.compare(bytes.subarray(at, at + secretSize), secret) === 0
        if (isHere && !isPublic(host)) ground.violate(guarantee, `${what} is on the wire`)
      }
    }
  }

  return {
    scan,
    learn(client, { channelId, payments }) {
      if (client.plan.isByzantine) return
      const file = client.disk.files.get(channelId)!
      let isGiven = false
      const isReleased = (): boolean => {
        isGiven ||= client.disk.files.get(channelId)?.state?.release !== undefined || isClosed(channelId)
        return isGiven
      }
      const never = (): boolean => false
      if (file.state === undefined) {
        const { proposed } = file
        if ('channelKey' in proposed && 'channelSeed' in proposed) {
          keep({ bytes: proposed.channelKey as Uint8Array, what: 'a channel key', guarantee: 'G4', isPublic: never })
          keep({ bytes: proposed.channelSeed as Uint8Array, what: 'a channel seed', guarantee: 'G4', isPublic: never })
        }
        const account = identityOf(client.name).key.publicKey
        const atBank = (host: string): boolean => host === 'bank'
        keep({ bytes: account, what: 'the account of a client', guarantee: 'G9', isPublic: atBank })
        checkLinks(client, proposed.terms)
      } else if (file.state.index === 0) {
        const opened = Open.parseOpened(file.state.opened)
        if (opened.ok) keep(receiptOf(opened.value.receipt, 0, isReleased))
      }
      for (const { index, receipt } of payments) keep(receiptOf(receipt, index, isReleased))
    },
    look(message, answer) {
      const host = message.to === 'bank' ? 'bank' : message.to
      // The bank's receipt comes to its client alone: TLS hides it from everybody else.
      if (answer !== undefined && message.path === bankPaths.open) return
      const { headers, body } = answer ?? message
      for (const [name, value] of headers) {
        const bytes = name.startsWith('lockstep-') ? parseBase64url(value, 1024) : undefined
        if (bytes?.ok) scan(bytes.value, host)
      }
      if (body.length < scannedMax) scan(body, host)
    },
  }

  /** Vendors know a channel by its terms: nothing in them is the same in two channels of one client. */
  function checkLinks(client: ClientParty, encoded: Uint8Array): void {
    const terms = Terms.parse(encoded)
    if (!terms.ok) return
    const { channelKey, anchor, clientIdentity, coinSalt } = terms.value
    const id = toHex(Terms.channelId(encoded))
    for (const [what, bytes] of Object.entries({ channelKey, anchor, clientIdentity, coinSalt })) {
      const before = identities.get(toHex(bytes))
      if (before !== undefined && before !== id) ground.violate('G9', `two channels of ${client.name} have one ${what}`)
      identities.set(toHex(bytes), id)
    }
  }
}

/** What of a receipt nobody can compute: the half that the commitment does not show. */
function receiptOf(receipt: Uint8Array, index: number, isPublic: () => boolean): Secret {
  return { bytes: receipt.slice(32), what: `receipt ${index} of an open channel`, guarantee: 'G6', isPublic }
}

const secretSize = 32
/** What a vendor sells may be long, and has no secret of its client in it. */
const scannedMax = 2048

function startOf(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!
}
