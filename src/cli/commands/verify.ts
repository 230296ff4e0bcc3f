import { attachRegistry, ChainError, type Hex } from '../../chain/index.ts'
import { backend } from '../../crypto/backend.ts'
import { fromHex, toHex } from '../../crypto/bytes.ts'
import {
  type ArchiveFault,
  type ArchiveSound,
  type ArchiveVerdict,
  type Files,
  fault,
  readArchive,
  type Trust,
} from '../archive/archive.ts'
import { isLockstepArchive, verifyArchive } from '../archive/lockstep.ts'
import { isPublishedArchive, verifyPublished } from '../archive/published.ts'
import { type Command, CommandError, exitCodes, type Output, parseOptions, printable, UsageError } from '../command.ts'

export const verify: Command = {
  name: 'verify',
  summary: 'check a saved directory, byte for byte, offline',
  help: `usage: lockstep verify DIR [--bank HEX] [--registry 0x…] [--rpc URL] [--json]

Checks what "lockstep demo --save DIR" wrote: who signed what, every coin, receipt and lock, what was charged and settled,
and the way from the record to the transaction that put it on a chain. Asks nobody. Where something is wrong it names the
first such thing, and exits 1.

  --bank HEX      the bank you trust: its public key, 64 hex digits. Left out: the one that DIR names
  --registry 0x…  the registry you trust. Left out: the one that DIR names
  --rpc URL       ask this node, too, whether the record transaction is in a block of its chain
  --json          one JSON object: {"ok": true, "profile", …} or {"ok": false, "file", "reason", "detail"}

Whoever made DIR chose the bank that it names: only --bank shows that the bank is the one you mean.

examples:
  lockstep verify DIR
  lockstep verify DIR --bank "$(lockstep keys bank.key)" --registry 0x5fbdb2315678afecb367f032d93f642f64180aa3`,
  async run(args, output) {
    const { values, positionals } = parseOptions(
      args,
      {
        bank: { type: 'string' },
        registry: { type: 'string' },
        rpc: { type: 'string' },
        json: { type: 'boolean', default: false },
      },
      1,
    )
    const [dir] = positionals
    if (dir === undefined) throw new UsageError('name the directory to verify')
    const trust: Trust = { bank: bankOption(values.bank), registry: registryOption(values.registry) }
    const rpcUrl = rpcOption(values.rpc)
    const verdict = await onChain(() => verdictOn(dir, trust, rpcUrl))
    if (verdict.ok) saySound(output, { verdict, trust, dir, asked: rpcUrl !== undefined, json: values.json })
    else sayFault(output, verdict, values.json)
    return verdict.ok ? exitCodes.done : exitCodes.failed
  },
}

async function verdictOn(dir: string, trust: Trust, rpcUrl: string | undefined): Promise<ArchiveVerdict> {
  const read = await readArchive(dir)
  const verifier = verifierOf(dir, read.files)
  if (!read.ok) return read
  const verdict = await verifier(read.files, trust)
  if (!verdict.ok || rpcUrl === undefined) return verdict
  return (await chainFault(verdict, rpcUrl)) ?? verdict
}

function verifierOf(dir: string, files: Files): (files: Files, trust: Trust) => Promise<ArchiveVerdict> {
  if (isLockstepArchive(files)) return verifyArchive
  if (isPublishedArchive(files)) return verifyPublished
  throw new CommandError(`${dir} holds nothing to verify: name a directory that "lockstep demo --save" wrote`, {
    exitCode: exitCodes.usage,
  })
}

/** Whether a node of the chain knows the batch, recorded by the very transaction that the archive holds. */
async function chainFault({ profile, record }: ArchiveSound, rpcUrl: string): Promise<ArchiveFault | undefined> {
  if (record === undefined || record.chain.kind !== 'evm') {
    throw new UsageError('--rpc asks a node of an EVM chain, and this archive is recorded on none')
  }
  const { batch, recordTx } = record
  const { chainId, registry } = record.chain
  const chain = await attachRegistry({ rpcUrl, chainId, registry })
  const found = await chain.prove(batch.number)
  if (found?.recordTx === recordTx) return undefined
  const stands = found === undefined ? 'has no such batch' : `has it from transaction ${found.recordTx}`
  const detail = `transaction ${recordTx} records batch ${batch.number}, and the chain ${stands}`
  return fault(profile === 'lockstep' ? 'proof.json' : 'recorded.json', 'NotOnChain', detail)
}

async function onChain<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof ChainError) throw new CommandError(error.message, { cause: error })
    throw error
  }
}

function saySound(
  output: Output,
  said: {
    readonly verdict: ArchiveSound
    readonly trust: Trust
    readonly dir: string
    readonly asked: boolean
    readonly json: boolean
  },
): void {
  const { verdict, trust, dir, asked, json } = said
  const { profile, bank, record, summary, facts } = verdict
  const registry = record?.chain.kind === 'evm' ? record.chain.registry : undefined
  if (trust.bank === undefined) {
    output.say(`trusting the bank key found in ${dir}: ${toHex(bank)}; pass --bank to name the one you mean`)
  }
  if (trust.registry === undefined && registry !== undefined) {
    output.say(`trusting the registry found in ${dir}: ${registry}; pass --registry to name the one you mean`)
  }
  const trusted = {
    bank: trust.bank === undefined ? 'found' : 'given',
    registry: registry === undefined ? null : trust.registry === undefined ? 'found' : 'given',
  }
  if (json) output.out(JSON.stringify({ ok: true, profile, ...facts, trusted, onChain: asked ? true : null }))
  else {
    output.out(`${dir} holds: every byte of it was checked.`)
    for (const line of summary) output.out(`  ${line}`)
    if (asked) output.out('  in a block of its chain, as the node says')
  }
}

function sayFault(output: Output, { file, reason, detail }: ArchiveFault, json: boolean): void {
  if (json) output.out(JSON.stringify({ ok: false, file, reason, detail }))
  else output.say(`lockstep: ${printable(file)}: ${detail}`)
}

function bankOption(text: string | undefined): Uint8Array | undefined {
  if (text === undefined) return undefined
  const hex = text.toLowerCase()
  const key = /^[0-9a-f]{64}$/.test(hex) ? fromHex(hex) : undefined
  if (key !== undefined && backend.isXCoordinate(key)) return key
  throw new UsageError('--bank takes a public key of 64 hex digits, as "lockstep keys FILE" prints it')
}

function registryOption(text: string | undefined): Hex | undefined {
  if (text === undefined) return undefined
  if (/^0x[0-9a-fA-F]{40}$/.test(text)) return text.toLowerCase() as Hex
  throw new UsageError('--registry takes an address: 0x and 40 hex digits')
}

function rpcOption(text: string | undefined): string | undefined {
  if (text === undefined) return undefined
  if (URL.canParse(text) && /^https?:$/.test(new URL(text).protocol)) return text
  throw new UsageError('--rpc takes the address of a node, such as http://127.0.0.1:8545')
}
