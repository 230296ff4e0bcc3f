import type { Reader } from '../../ops/audit/reader.ts'
import { openJournalReader, openVendorReader } from '../../ops/audit/stores.ts'
import {
  type ChannelDetails,
  type ChannelSummary,
  findChannels,
  listChannels,
  type Side,
} from '../../ops/channels/listing.ts'
import { type LoadedConfig, sectionOf } from '../../ops/config/index.ts'
import { formatDecimal, parseAsset } from '../../wire/amount.ts'
import {
  type Command,
  CommandError,
  choiceOption,
  exitCodes,
  type Output,
  parseOptions,
  UsageError,
} from '../command.ts'
import { configHelp, configOption, loadConfig, sayingWhatIsWrong } from '../service/config.ts'

export const channels: Command = {
  name: 'channels',
  summary: 'list, show or close the channels of a vendor or a client',
  help: `usage: lockstep channels ls --config FILE [--role vendor|client] [--all] [--json]
       lockstep channels show CHANNEL --config FILE [--role vendor|client] [--json]
       lockstep channels close CHANNEL --config FILE [--role vendor|client] [--json]

CHANNEL is a channel's id, or as many of its first hex digits as tell it apart.

ls and show read the store beside the vendor that runs on it. A client's journal is one process's alone: they read it while no
wallet has it open.

close as a vendor: claims what was charged from the bank, now; nothing is accepted on the channel afterwards. Where the
vendor runs, it does that itself. close as a client: asks the vendor to state its last, and releases the receipts; the vendor
then claims, and the bank gives back the rest. Both are safe to repeat.

${configHelp}
  --role WORD     whose channels, where FILE has both. Default: vendor
  --all           also those that are closed
  --json          one JSON object a line

examples:
  lockstep channels ls --config lockstep.json
  lockstep channels close 3f1c --config lockstep.json`,
  async run(args, output) {
    const { values, positionals } = parseOptions(
      args,
      {
        ...configOption,
        role: { type: 'string' },
        all: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
      },
      2,
    )
    const [word, channel] = positionals
    if (word !== 'ls' && word !== 'show' && word !== 'close')
      throw new UsageError('say which: channels ls, show or close')
    if ((word === 'ls') !== (channel === undefined))
      throw new UsageError(word === 'ls' ? 'channels ls takes no channel' : `channels ${word} takes a channel`)
    if (channel !== undefined && !/^[0-9a-f]{2,64}$/.test(channel))
      throw new UsageError('a channel is 2 to 64 hex digits')
    const config = loadConfig(values.config)
    const side = sideOf(config, values.role)
    const print = (each: ChannelSummary): void => output.out(values.json ? json(each) : line(each))
    if (channel === undefined) {
      const found = await reading(config, side, (reader) => listChannels(reader, side))
      for (const each of found.filter(({ phase }) => values.all || phase !== 'closed')) print(each)
      return exitCodes.done
    }
    const details = await reading(config, side, (reader) => oneOf(reader, side, channel))
    if (word === 'show') sayDetails(output, details, values.json)
    else {
      const { closeChannel } = await import('../service/closeChannel.ts')
      output.out(json(await closeChannel(config, side, details.channel)))
    }
    return exitCodes.done
  },
}

function sideOf(config: LoadedConfig, role: string | undefined): Side {
  if (role !== undefined) return choiceOption('role', role, ['vendor', 'client'])
  return config.vendor === undefined && config.client !== undefined ? 'client' : 'vendor'
}

async function reading<T>(config: LoadedConfig, side: Side, work: (reader: Reader) => Promise<T>): Promise<T> {
  const open = sayingWhatIsWrong(() =>
    side === 'vendor'
      ? openVendorReader(sectionOf(config, 'vendor').store)
      : openJournalReader(sectionOf(config, 'client').journal),
  )
  const reader = await open
  try {
    return await work(reader)
  } finally {
    await reader.close()
  }
}

async function oneOf(reader: Reader, side: Side, channel: string): Promise<ChannelDetails> {
  const found = await findChannels(reader, side, channel)
  const [first] = found
  if (first === undefined) throw new CommandError(`there is no channel ${channel} in this store`)
  if (found.length > 1)
    throw new CommandError(`${found.length} channels start with ${channel}: give more of its digits`)
  return first
}

function line({ channel, phase, asset, funds, paid, spent, payments, deadline, stopped }: ChannelSummary): string {
  const money = [funds, paid, spent].map((amount) => inAsset(amount, asset))
  const until = new Date(Number(deadline) * 1000).toISOString().slice(0, 19)
  const why = stopped === undefined ? '' : `  ${stopped}`
  return `${channel.slice(0, 32)}  ${phase.padEnd(8)}  funds ${money[0]}  paid ${money[1]}  spent ${money[2]} ${asset.split('/')[0]}  payments ${payments}  until ${until}Z${why}`
}

function inAsset(amount: bigint, asset: string): string {
  const parsed = parseAsset(asset)
  return parsed.ok ? formatDecimal(amount, parsed.value) : amount.toString()
}

function sayDetails(output: Output, details: ChannelDetails, asJson: boolean): void {
  if (asJson) {
    output.out(json(details))
    return
  }
  for (const [name, value] of Object.entries(details) as [string, unknown][]) {
    if (value !== undefined)
      output.out(`${name}: ${typeof value === 'string' ? value : json(value).replaceAll('"', '')}`)
  }
}

function json(value: unknown): string {
  return JSON.stringify(value, (_name, field: unknown) => (typeof field === 'bigint' ? field.toString() : field))
}
