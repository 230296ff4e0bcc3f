import { equal, toHex } from '../../crypto/bytes.ts'
import { ConfigError, exposureOf, type KeySource, readKeyPair } from '../config/index.ts'
import { type Finding, fault, fine, warning } from './finding.ts'

/** A secret key: there, one, and for its owner alone. */
export function examineKey(about: string, source: KeySource): readonly Finding[] {
  try {
    const { publicKey } = readKeyPair(source)
    const exposed = exposureOf(source)
    const where = source.kind === 'file' ? source.path : `$${source.variable}`
    const found = fine(about, `${where}: public key ${toHex(publicKey)}`)
    if (exposed === undefined || source.kind !== 'file') return [found]
    return [
      found,
      fault(about, exposed, `chmod 600 ${source.path}; where others were on this machine, make another key`),
    ]
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    const remedy =
      source.kind === 'file'
        ? `lockstep keys ${source.path} --new, or restore the one that was there`
        : `set ${source.variable} to 64 hex digits`
    return [fault(about, error.message, remedy)]
  }
}

/** A settlement key that nodes use to read payments is one that a node can lose. */
export function examineSeparation(settlement: KeySource, frame: KeySource): readonly Finding[] {
  try {
    if (!equal(readKeyPair(settlement).publicKey, readKeyPair(frame).publicKey)) return []
    return [
      warning(
        'vendor.frameKeyFile',
        'it is the settlement key',
        'lockstep keys frame.key --new: a node that is broken into then cannot claim',
      ),
    ]
  } catch {
    // That one of them cannot be read is said elsewhere.
    return []
  }
}
