import type { Mutant } from './Mutant.ts'

const badOpening = 'src/protocol/bank/badOpening.ts'
const overcharge = 'src/protocol/bank/overcharge.ts'
const equivocation = 'src/protocol/bank/equivocation.ts'

/** What proves a fraud to the bank: never an honest party's, always a real one. */
export const proofMutants: readonly Mutant[] = [
  {
    name: 'proof-equivocation-signature',
    file: equivocation,
    find: `if (!lockSchemes[lockScheme].verify({ publicKey, digest, receipt })) {`,
    replace: `if (!lockSchemes[lockScheme].verify({ publicKey, digest, receipt }) && receipt === evidence.first.receipt) {`,
    breaks: 'one receipt makes a client an equivocator',
  },
  {
    name: 'proof-equivocation-refused',
    file: equivocation,
    find: `if (!lockSchemes[lockScheme].verify({ publicKey, digest, receipt })) {`,
    replace: `if (lockSchemes[lockScheme].verify({ publicKey, digest, receipt })) {`,
    breaks: 'who signs two transactions for one payment is never found guilty',
  },
  {
    name: 'proof-overcharge-signature',
    file: overcharge,
    find: `if (!Closing.verify(terms.vendor, closing)) {`,
    replace: `if (closing.spent < 0n) {`,
    breaks: 'anybody makes up a closing of a vendor',
  },
  {
    name: 'proof-overcharge-amount',
    file: overcharge,
    find: `if (closing.spent >= settled) {`,
    replace: `if (closing.spent <= settled) {`,
    breaks: 'a vendor keeps what it claimed above its closing',
  },
  {
    name: 'proof-overcharge-difference',
    file: overcharge,
    find: `const difference = settled - returned - closing.spent`,
    replace: `const difference = settled - returned`,
    breaks: 'an overcharge costs a vendor all that it earned',
  },
  {
    name: 'proof-opening-lock',
    file: badOpening,
    find: `return scheme.check({ lock, previous, current })
      ? refuse('EvidenceInvalid', \`lock \${index} holds\`)
      : { ok: true, cause: 'badOpening' }`,
    replace: `return scheme.check({ lock, previous, current })
      ? { ok: true, cause: 'badOpening' }
      : refuse('EvidenceInvalid', \`lock \${index} holds\`)`,
    breaks: 'locks that hold prove a fraud',
  },
  {
    name: 'proof-opening-signature',
    file: badOpening,
    find: `if (!Checkpoint.verify(terms.channelKey, channelId, checkpoint.value)) {`,
    replace: `if (checkpoint.value.index < 0) {`,
    breaks: 'a vendor makes up the checkpoint that covers a bad lock',
  },
  {
    name: 'proof-opening-cover',
    file: badOpening,
    find: `return equal(cores.reduce(Transcript.next, first), checkpoint.value.transcript)`,
    replace: `return cores.reduce(Transcript.next, first).length === checkpoint.value.transcript.length`,
    breaks: 'a vendor makes up the payments with a bad lock',
  },
  {
    name: 'proof-opening-receipt',
    file: badOpening,
    find: `if (!isReceipt(scheme, current, receipt)) {`,
    replace: `if (receipt.length === 0) {`,
    breaks: 'a wrong receipt proves that a lock does not open',
  },
  {
    name: 'proof-opening-unlocked',
    file: badOpening,
    find: `return isReceipt(scheme, previous, opened)
    ? refuse('EvidenceInvalid', \`lock \${index} opens\`)`,
    replace: `return opened.length === 0
    ? refuse('EvidenceInvalid', \`lock \${index} opens\`)`,
    breaks: 'an xor lock that opens proves a fraud',
  },
]
