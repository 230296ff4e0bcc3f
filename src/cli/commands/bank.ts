import { sectionOf } from '../../ops/config/index.ts'
import { askAdmin } from '../../ops/service/admin.ts'
import { type Command, exitCodes, type Output, parseOptions, UsageError } from '../command.ts'
import { configHelp, configOption, loadConfig, sayingWhatIsWrong } from '../service/config.ts'

export const bank: Command = {
  name: 'bank',
  summary: 'run a bank, or have the one that runs do something',
  help: `usage: lockstep bank --config FILE
       lockstep bank register ACCOUNT --config FILE [--json]
       lockstep bank deposit ACCOUNT ASSET AMOUNT --config FILE [--id HEX] [--json]
       lockstep bank withdraw ACCOUNT ASSET AMOUNT --config FILE [--id HEX] [--json]
       lockstep bank withdrawals | paid REFERENCE | balance ACCOUNT --config FILE [--json]
       lockstep bank record | clock | confirm-clock --config FILE [--json]

Without a word: runs the bank that FILE describes until SIGTERM or SIGINT, which ends what runs, makes it durable and exits 0.
One JSON line on stdout says where it listens; its log is JSON lines on stderr. /healthz, /readyz and /metrics are on a port of
their own.

With a word: the operator's orders to the bank that runs with FILE, over its Unix socket, which its owner alone can open.

  register ACCOUNT                make an account; one that is there stays as it is
  deposit ACCOUNT ASSET AMOUNT    book money that came in, in base units
  withdraw ACCOUNT ASSET AMOUNT   book money out, as the account itself could ask
  withdrawals                     what has left the books and waits to be paid out
  paid REFERENCE                  say that a withdrawal was paid out
  balance ACCOUNT                 what the account can spend
  record                          put settled channels on the chain now
  clock                           the bank's clock, and why it is held, if it is
  confirm-clock                   the system's clock was looked at and is right: deadlines pass again

${configHelp}
  --id HEX        names a deposit or withdrawal: given again, it is booked once. Without one, each time is another
  --json          one JSON object

examples:
  lockstep keys bank.key --new
  lockstep bank --config lockstep.json
  lockstep bank register "$(lockstep keys alice.key)" --config lockstep.json
  lockstep bank deposit "$(lockstep keys alice.key)" USD/6 5000000 --id 2026 --config lockstep.json`,
  async run(args, output) {
    const { values, positionals } = parseOptions(
      args,
      { ...configOption, id: { type: 'string' }, json: { type: 'boolean', default: false } },
      4,
    )
    const [word, ...rest] = positionals
    if (word === undefined) {
      const config = loadConfig(values.config)
      const [{ runService }, { startBank }] = await Promise.all([
        import('../service/run.ts'),
        import('../../ops/service/bankService.ts'),
      ])
      return runService('bank', config, output, startBank)
    }
    if (values.id !== undefined && word !== 'deposit' && word !== 'withdraw')
      throw new UsageError('--id names a deposit or withdrawal')
    const order = { ...orderOf(word, rest), ...(values.id !== undefined && { id: values.id }) }
    const config = loadConfig(values.config)
    const { adminSocket } = sayingWhatIsWrong(() => sectionOf(config, 'bank'))
    const answer = await askAdmin(adminSocket, word, order)
    sayAnswer(output, answer as Answer, values.json)
    return exitCodes.done
  },
}

/** What each word takes, in order. */
const words: Readonly<Record<string, readonly string[]>> = {
  register: ['account'],
  deposit: ['account', 'asset', 'amount'],
  withdraw: ['account', 'asset', 'amount'],
  withdrawals: [],
  paid: ['reference'],
  balance: ['account'],
  record: [],
  clock: [],
  'confirm-clock': [],
}

function orderOf(word: string, given: readonly string[]): Readonly<Record<string, string>> {
  const names = Object.hasOwn(words, word) ? words[word] : undefined
  if (names === undefined)
    throw new UsageError(`bank knows ${Object.keys(words).join(', ')}, not ${JSON.stringify(word)}`)
  if (given.length !== names.length) {
    throw new UsageError(
      `bank ${word} takes ${names.length === 0 ? 'nothing' : names.map((name) => name.toUpperCase()).join(' ')}`,
    )
  }
  return Object.fromEntries(names.map((name, at) => [name, given[at] ?? '']))
}

type Answer = Readonly<Record<string, unknown>>

function sayAnswer(output: Output, answer: Answer, json: boolean): void {
  if (json) output.out(JSON.stringify(answer))
  else
    for (const [name, value] of Object.entries(answer))
      output.out(`${name}: ${typeof value === 'string' ? value : JSON.stringify(value)}`)
}
